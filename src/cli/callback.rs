//! `callback test`: a POST to ourselves by the public address.

use super::Context;
use super::console::{Console, Tone};
use super::exit::{Exit, Failure, Outcome};
use crate::admin::view::{ActRequest, CallbackTest, Code};
use clap::Subcommand;

/// Whether callbacks come through to the daemon
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd callback test
  aptiqd callback test --json | jq .problem")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// POST to the daemon by public_url: exit 0 if it heard it, 1 if not, 78 without one
    #[command(before_help = "Examples:\n  aptiqd callback test")]
    Test,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let Act::Test = args.act;
    let client = context.client().await?;
    let path = "/api/v1/callback/test";
    let test: CallbackTest = client.act(path, &ActRequest::default()).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&test);
    } else {
        console.say(&render(&test, console));
    }
    match &test.problem {
        None => Ok(Exit::Done),
        Some(problem) => Err(Failure::new(Code::Failed, problem, test.help.clone())),
    }
}

fn render(test: &CallbackTest, console: &Console) -> String {
    let status = test
        .status
        .map_or("no answer".to_owned(), |code| code.to_string());
    let heard = match test.heard {
        true => console.tint("heard", Tone::Good),
        false => console.tint("not heard", Tone::Bad),
    };
    let mut text = format!(
        "{}\n{heard} by the daemon · {status} · {} ms\n",
        test.public_url, test.took_ms
    );
    for odd in &test.oddities {
        text.push_str(&format!("{} {odd}\n", console.tint("note:", Tone::Warn)));
    }
    if let Some(certificate) = &test.certificate {
        let ends = certificate.expires_at.date_naive();
        text.push_str(&format!(
            "certificate of {} until {ends}\n",
            certificate.issuer
        ));
    }
    text
}
