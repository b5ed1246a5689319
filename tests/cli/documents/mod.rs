//! What README and `docs/` tell people to type: every command of an `sh` block is run, or is listed with the reason why
//! it is not; commands in the text name verbs and options that are there; links lead somewhere.

mod commands;
mod links;
mod read;
