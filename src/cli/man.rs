//! `man`: the manual page.

use super::exit::{Exit, Failure, Outcome};
use super::{Context, command};
use crate::admin::view::Code;

/// The manual page, on stdout
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd man > aptiqd.1 && man ./aptiqd.1")]
pub struct Args {}

pub fn perform(_: Args, context: &Context) -> Outcome {
    let mut page = Vec::new();
    render(&mut page).map_err(|error| {
        let message = format!("cannot write the page: {error}");
        Failure::new(Code::Failed, message, "")
    })?;
    let page = String::from_utf8_lossy(&page);
    if context.console.is_json() {
        let document = serde_json::json!({"schema": "aptiqd.man/1", "page": page});
        context.console.document(&document);
    } else {
        context.console.say(&page);
    }
    Ok(Exit::Done)
}

/// The page of the program, then a section for each verb.
fn render(page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(page)?;
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        let man = clap_mangen::Man::new(verb.clone());
        page.extend(format!(".SH \"APTIQD {}\"\n", verb.get_name().to_uppercase()).bytes());
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    Ok(())
}
