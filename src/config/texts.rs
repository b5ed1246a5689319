//! Texts that ship inside the program: schemas for editors, and what `init` writes.

/// JSON Schema of `aptiqd.toml`.
pub const CONFIG_SCHEMA: &str = include_str!("daemon.schema.json");

/// JSON Schema of a schedule's file.
pub const SCHEDULE_SCHEMA: &str = include_str!("schedule.schema.json");

/// What `aptiqd init DIR` writes: paths below DIR and their texts. All of it is sound but for the secret, which only
/// the user has.
pub fn init_files() -> [(&'static str, &'static str); 5] {
    [
        ("aptiqd.toml", include_str!("init/aptiqd.toml")),
        (
            "schedules/portfolio-daily.toml",
            include_str!("init/portfolio-daily.toml"),
        ),
        (".schema/config.json", CONFIG_SCHEMA),
        (".schema/schedule.json", SCHEDULE_SCHEMA),
        (".gitignore", "/secrets/\n/state/\n/exports/\n"),
    ]
}
