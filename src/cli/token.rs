//! `token check`: does ApartmentIQ take the credential, for how long, and what does it see.

use super::Context;
use super::console::{Console, Tone};
use super::exit::{Exit, Failure, Outcome};
use super::nagios::{self, Grade};
use super::render::{age, counted};
use crate::admin::view::{ActRequest, Code, Standing, TokenCheck};
use crate::clock;
use clap::Subcommand;

/// A pasted token that ends sooner is a warning, or critical.
const WARN_SECONDS: i64 = 7 * 86_400;
const CRITICAL_SECONDS: i64 = 86_400;

/// Whether ApartmentIQ takes the credential
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd token check
  aptiqd token check --nagios")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Ask ApartmentIQ through the daemon; exit 77 if it is refused, 75 if nobody answers
    #[command(before_help = "Examples:
  aptiqd token check
  aptiqd token check --json | jq .expires_at
  aptiqd token check --nagios")]
    Check {
        /// One line and exit 0, 1, 2 or 3, for monitoring plugins
        #[arg(long)]
        nagios: bool,
    },
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let Act::Check { nagios } = args.act;
    let plugin = nagios::asked("APTIQD TOKEN", nagios, context)?;
    let asked = ask(context).await;
    if let Some(plugin) = plugin {
        return match asked {
            Ok(token) => plugin.report(grade(&token), &sentence(&token), &perfdata(&token)),
            Err(failure) => plugin.unknown(&failure),
        };
    }
    let token = asked?;
    let console = &context.console;
    if console.is_json() {
        console.document(&token);
    } else {
        console.say(&render(&token, console));
    }
    let reason = token.reason.clone().unwrap_or_default();
    let failure = |code, message: String| Err(Failure::new(code, message, token.help.clone()));
    match token.standing {
        Standing::Accepted => Ok(Exit::Done),
        Standing::Refused => {
            let message = format!("ApartmentIQ refuses the credential: {reason}");
            failure(Code::CredentialRefused, message)
        }
        Standing::Forbidden => failure(Code::Failed, reason),
        Standing::Unknown => failure(
            Code::Unavailable,
            format!("ApartmentIQ cannot be asked: {reason}"),
        ),
    }
}

async fn ask(context: &Context) -> Result<TokenCheck, Failure> {
    let client = context.client().await?;
    let path = "/api/v1/token/check";
    Ok(client.act(path, &ActRequest::default()).await?)
}

fn kind(token: &TokenCheck) -> &'static str {
    match token.kind.as_str() {
        "client" => "API key (renews itself)",
        _ => "pasted access token",
    }
}

fn expiry(token: &TokenCheck) -> String {
    match token.expires_at {
        Some(at) => format!(
            "{} ({})",
            at.format("%Y-%m-%d %H:%M:%SZ"),
            age(at, clock::now())
        ),
        None => "unknown: it does not say".to_owned(),
    }
}

fn render(token: &TokenCheck, console: &Console) -> String {
    let standing = match token.standing {
        Standing::Accepted => console.tint("accepted", Tone::Good),
        Standing::Refused => console.tint("refused", Tone::Bad),
        Standing::Forbidden => console.tint("accepted, but not for this", Tone::Warn),
        Standing::Unknown => console.tint("unknown", Tone::Warn),
    };
    let standby = if token.standby { ", the standby" } else { "" };
    let mut text = format!(
        "credential  {}{standby}\nstanding    {standing}\nexpires     {}\n",
        kind(token),
        expiry(token)
    );
    if token.standing == Standing::Accepted {
        let count = counted(token.accounts.len() as u64, "account");
        text.push_str(&format!("sees        {count}\n"));
        for account in token.accounts.iter().take(20) {
            let name = account.name.as_deref().unwrap_or("–");
            text.push_str(&format!("            {} {name}\n", account.id));
        }
    }
    text
}

fn grade(token: &TokenCheck) -> Grade {
    let left = token.expires_in_seconds.filter(|_| token.kind == "token");
    match (token.standing, left) {
        (Standing::Refused, _) => Grade::Critical,
        (Standing::Unknown, _) => Grade::Unknown,
        (_, Some(..CRITICAL_SECONDS)) => Grade::Critical,
        (Standing::Forbidden, _) | (_, Some(..WARN_SECONDS)) => Grade::Warning,
        _ if token.standby => Grade::Warning,
        _ => Grade::Ok,
    }
}

fn sentence(token: &TokenCheck) -> String {
    let reason = token.reason.as_deref().unwrap_or_default();
    match token.standing {
        Standing::Accepted => {
            let count = counted(token.accounts.len() as u64, "account");
            let standby = if token.standby { " (standby)" } else { "" };
            format!(
                "{}{standby} sees {count}, expires {}",
                kind(token),
                expiry(token)
            )
        }
        Standing::Refused => format!("refused: {reason}"),
        Standing::Forbidden => reason.to_owned(),
        Standing::Unknown => format!("cannot be asked: {reason}"),
    }
}

fn perfdata(token: &TokenCheck) -> String {
    match token.expires_in_seconds {
        Some(left) if token.kind == "token" => {
            format!("expires_in={left}s;{WARN_SECONDS}:;{CRITICAL_SECONDS}:")
        }
        Some(left) => format!("expires_in={left}s"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_warns_before_a_pasted_token_ends() {
        let mut token = TokenCheck {
            schema: String::new(),
            ok: true,
            standing: Standing::Accepted,
            kind: "token".into(),
            standby: false,
            expires_at: None,
            expires_in_seconds: Some(30 * 86_400),
            accounts: Vec::new(),
            reason: None,
            help: String::new(),
        };
        assert_eq!(grade(&token), Grade::Ok);
        token.expires_in_seconds = Some(WARN_SECONDS - 1);
        assert_eq!(grade(&token), Grade::Warning);
        token.expires_in_seconds = Some(-5);
        assert_eq!(grade(&token), Grade::Critical);
        token.kind = "client".into();
        assert_eq!(grade(&token), Grade::Ok);
        token.standing = Standing::Refused;
        assert_eq!(grade(&token), Grade::Critical);
        token.standing = Standing::Unknown;
        assert_eq!(grade(&token), Grade::Unknown);
    }
}
