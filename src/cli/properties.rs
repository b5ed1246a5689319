//! `properties`: which there are, and which an operator left out.

use super::Context;
use super::exit::{Exit, Outcome};
use super::render::Rows;
use crate::admin::view::{ExcludeRequest, IncludeRequest, Properties};
use clap::Subcommand;

/// The properties there are; leave one out of new runs, or take it in again
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd properties list
  aptiqd properties exclude 99001416 --reason sold
  aptiqd properties include 99001416 --reason 'bought back'")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Every property that a schedule exports, or that is excluded
    #[command(before_help = "Examples:\n  aptiqd properties list --json")]
    List {
        /// Only those that are excluded
        #[arg(long)]
        excluded: bool,
    },
    /// Leave a property out of new runs; its cells count as excluded, what has landed stays
    #[command(before_help = "Examples:\n  aptiqd properties exclude 99001416 --reason sold")]
    Exclude {
        /// The property's id
        #[arg(value_name = "ID")]
        property: i64,
        /// Why, for whoever reads it later
        #[arg(long)]
        reason: String,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Take an excluded property into new runs again
    #[command(before_help = "Examples:\n  aptiqd properties include 99001416")]
    Include {
        /// The property's id
        #[arg(value_name = "ID")]
        property: i64,
        /// Why, for whoever reads it later
        #[arg(long)]
        reason: Option<String>,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let console = &context.console;
    let path = "/api/v1/properties";
    let (answer, said): (Properties, String) = match args.act {
        Act::List { excluded } => {
            let mut all: Properties = client.read(path).await?;
            if excluded {
                all.properties
                    .retain(|property| property.excluded.is_some());
            }
            let text = render(&all, context);
            (all, text)
        }
        Act::Exclude {
            property,
            reason,
            dry_run,
        } => {
            let path = format!("{path}/{property}/exclude");
            let after: Properties = client
                .act(&path, &ExcludeRequest { reason, dry_run })
                .await?;
            let would = if dry_run { "would leave" } else { "leave" };
            let text = format!("new runs {would} {property} out{}\n", schedules(&after));
            (after, text)
        }
        Act::Include {
            property,
            reason,
            dry_run,
        } => {
            let path = format!("{path}/{property}/include");
            let after: Properties = client
                .act(&path, &IncludeRequest { reason, dry_run })
                .await?;
            let would = if dry_run { "would ask" } else { "ask" };
            let text = format!(
                "new runs {would} for {property} again{}\n",
                schedules(&after)
            );
            (after, text)
        }
    };
    if console.is_json() {
        console.document(&answer);
    } else {
        console.say(&said);
    }
    Ok(Exit::Done)
}

/// ` (of a, b)`, or that no schedule has it.
fn schedules(after: &Properties) -> String {
    let names: Vec<&str> = after
        .properties
        .iter()
        .flat_map(|property| property.schedules.iter().map(String::as_str))
        .collect();
    match names.is_empty() {
        true => "; no schedule exports it now".to_owned(),
        false => format!(" (of {})", names.join(", ")),
    }
}

fn render(all: &Properties, context: &Context) -> String {
    if all.properties.is_empty() {
        return "no property is known\n".to_owned();
    }
    let header = ["property", "name", "schedules", "excluded"];
    let mut rows = Rows::new(&context.console, &header);
    for property in &all.properties {
        let excluded = property
            .excluded
            .as_ref()
            .map_or(String::new(), |out| format!("{} ({})", out.reason, out.by));
        rows.row(&[
            &property.id.to_string(),
            property.name.as_deref().unwrap_or("–"),
            &property.schedules.join(", "),
            &excluded,
        ]);
    }
    rows.finish(&context.console)
}
