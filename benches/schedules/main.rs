//! What many schedules cost: `cargo bench --bench schedules`.
//!
//! Loading and checking a folder, the memory of a schedule beyond its own text, a crowd that fires in the same second
//! until all its submit intents are durable, and the time from a fire to its create on the wire of an idle daemon.
//! `APTIQD_BENCH_SCHEDULES` (100000), `APTIQD_BENCH_CROWD` (10000) and `APTIQD_BENCH_FIRES` (100) are the sizes.

mod crowd;
mod folder;
mod heap;
mod watch;
mod wire;

#[global_allocator]
static HEAP: heap::Counted = heap::Counted;

fn main() {
    let schedules = folder::measure(setting("APTIQD_BENCH_SCHEDULES", 100_000));
    crowd::idle(schedules);
    crowd::measure(setting("APTIQD_BENCH_CROWD", 10_000));
    wire::measure(setting("APTIQD_BENCH_FIRES", 100));
}

fn setting(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a whole number"))
}
