//! `aptiqd.toml` and `schedules/*.toml`: read, resolved and proven. Every fault of every file is found in one pass,
//! with line, column and help.

mod address;
mod check;
mod checks;
mod daemon;
mod difference;
mod fault;
mod landed;
mod notifier;
mod overrides;
mod properties;
mod schedule;
mod schedules;
mod secret_file;
mod section;
mod sections;
mod sheet;
mod terms;
mod texts;
mod values;
mod warnings;
mod window;

pub use address::WebAddress;
pub use check::{Checked, check, load, load_all, load_schedules, locate};
pub use daemon::{Admin, Api, Callback, Credential, Daemon, Download, Landing, State};
pub use difference::Names;
pub use fault::{Fault, render};
pub use notifier::{NoticeUrl, Notifier};
pub use schedules::{Scope, load_folder, load_folder_in};
pub use secret_file::quoted as shell_word;
pub use texts::{CONFIG_SCHEMA, SCHEDULE_SCHEMA, init_files};
