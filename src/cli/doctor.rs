//! `doctor`: what may be wrong, in order, each with the command that mends it.

use super::Context;
use super::console::{Console, Tone};
use super::exit::{Exit, Failure, Outcome};
use super::places::Lenient;
use super::render::{counted, folded};
use crate::admin::client::Client;
use crate::admin::view::{ActRequest, Code, Doctor, Examined, Finding};
use crate::doctor::{Local, examine_locally, examined};
use crate::{clock, config};

/// Look at everything that may be wrong, in order, each with the command that mends it
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd doctor
  aptiqd doctor --json | jq '.checks[] | select(.status != \"pass\")'")]
pub struct Args {}

pub async fn perform(_: Args, context: &Context) -> Outcome {
    let client = match context.client().await {
        Ok(client) => client,
        Err(failure) => return without_daemon(failure, context),
    };
    let doctor = ask(&client).await?;
    say(&doctor, &context.console);
    verdict(&doctor)
}

/// Everything at once: it sends nothing but what the daemon may send anyway.
async fn ask(client: &Client) -> Result<Doctor, Failure> {
    Ok(client.act("/api/v1/doctor", &ActRequest::default()).await?)
}

/// What can be seen from here; it ends as `failure` says.
fn without_daemon(failure: Failure, context: &Context) -> Outcome {
    let mut checks = seen_from_here(context);
    let expected = "a daemon that can acknowledge callbacks";
    let help = &failure.error.help;
    let help = match help.strip_prefix("start it: ") {
        Some(start) => start.to_owned(),
        None => format!("sudo aptiqd doctor   # {help}"),
    };
    let message = failure.error.message.as_str();
    checks.push(examined("daemon", Finding::Fail, message, expected, help));
    say(&Doctor::new(checks), &context.console);
    Err(failure)
}

/// The local checks; without a configuration there is nothing else to look at.
fn seen_from_here(context: &Context) -> Vec<Examined> {
    let named = context.config.as_deref();
    let lenient = Lenient::read(named, |name| std::env::var(name).ok());
    let (file, lenient) = match (config::locate(named), lenient) {
        (Ok(file), Ok(lenient)) => (file, lenient),
        (Err(fault), _) => {
            let help = "aptiqd init exports   # or name one by --config or $APTIQD_CONFIG";
            return vec![no_configuration(&fault.message, help)];
        }
        (Ok(file), Err(failure)) => {
            let help = format!("aptiqd check --config {}", config::shell_word(&file));
            return vec![no_configuration(&failure.error.message, &help)];
        }
    };
    examine_locally(&Local {
        config: &file,
        env: &super::environment(),
        now: clock::now(),
        state: lenient.path("state", "path", "state"),
        landing: lenient.path("landing", "path", "exports"),
    })
}

fn no_configuration(message: &str, help: &str) -> Examined {
    examined("configuration", Finding::Fail, message, "no fault", help)
}

fn verdict(doctor: &Doctor) -> Outcome {
    let failed = || {
        doctor
            .checks
            .iter()
            .filter(|one| one.status == Finding::Fail)
    };
    let Some(first) = failed().next() else {
        return Ok(Exit::Done);
    };
    let is_failed = |name: &str| failed().any(|one| one.name == name);
    let refused =
        failed().any(|one| one.name == "credential" && one.observed.starts_with("refused"));
    let code = match (is_failed("configuration"), refused) {
        (true, _) => Code::Config,
        (false, true) => Code::CredentialRefused,
        (false, false) => Code::Failed,
    };
    let message = match failed().count() {
        1 => format!("{}: {}", first.name, first.observed),
        count => format!(
            "{} failed, the first is {}",
            counted(count as u64, "check"),
            first.name
        ),
    };
    Err(Failure::new(code, message, first.help.clone()))
}

fn say(doctor: &Doctor, console: &Console) {
    if console.is_json() {
        console.document(doctor);
        return;
    }
    let lines = doctor.checks.iter().map(|one| line(one, console));
    console.say(&lines.collect::<String>());
}

/// One check: how it is and what was seen; unless all is well, what was expected and what mends it.
fn line(one: &Examined, console: &Console) -> String {
    const INDENT: usize = 22;
    let tone = match one.status {
        Finding::Pass => Tone::Good,
        Finding::Warn => Tone::Warn,
        Finding::Fail => Tone::Bad,
    };
    let word = console.tint(one.status.as_str(), tone);
    let width = usize::from(console.width());
    let seen = folded(&one.observed, width, INDENT);
    let mut text = format!("{word}  {:<15} {seen}\n", one.name.replace('_', " "));
    if one.status != Finding::Pass {
        let expected = folded(&format!("wanted: {}", one.expected), width, INDENT);
        text.push_str(&format!(
            "{:INDENT$}{}\n",
            "",
            console.tint(&expected, Tone::Dim)
        ));
        if !one.help.is_empty() {
            // A command is to be copied whole, so it is not folded.
            text.push_str(&format!("{:INDENT$}→ {}\n", "", one.help));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: Finding, observed: &str) -> Examined {
        Examined {
            name: name.into(),
            status,
            observed: observed.into(),
            expected: "e".into(),
            help: "mend it".into(),
        }
    }

    #[test]
    fn the_exit_says_what_kind_of_thing_failed() {
        let exit = |checks: &[Examined]| match verdict(&Doctor::new(checks.to_vec())) {
            Ok(exit) => exit,
            Err(failure) => failure.exit(),
        };
        let warned = check("zones", Finding::Warn, "old");
        assert_eq!(exit(std::slice::from_ref(&warned)), Exit::Done);
        let refused = check("credential", Finding::Fail, "refused: 401");
        let away = check("credential", Finding::Fail, "cannot be asked for: no route");
        let config = check("configuration", Finding::Fail, "a.toml:1:1: x");
        assert_eq!(exit(&[warned.clone(), refused.clone()]), Exit::Credential);
        assert_eq!(exit(&[away]), Exit::Failed);
        assert_eq!(exit(&[config, refused]), Exit::Config);
    }
}
