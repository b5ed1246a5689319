//! Lines that mend, as they are typed into a shell.

use crate::config::shell_word;
use std::path::Path;

/// Of the daemon that is examined, what the commands have to name.
#[derive(Clone, Copy)]
pub struct Named<'n> {
    /// `aptiqd.toml`.
    pub config: &'n Path,
    /// The file of the credential that is asked first.
    pub secret: &'n Path,
    pub base_url: &'n str,
}

/// What the lines may begin with; `aptiqd` or what any system has.
const PROGRAMS: [&str; 14] = [
    "aptiqd",
    "apt",
    "chmod",
    "chown",
    "curl",
    "du",
    "echo",
    "journalctl",
    "ls",
    "sudo",
    "systemctl",
    "timedatectl",
    "\"${EDITOR:-vi}\"",
    "(umask",
];

/// A line that begins with a program rather than with words for people.
pub fn is_command(line: &str) -> bool {
    let first = line.split_whitespace().next();
    first.is_some_and(|first| PROGRAMS.contains(&first))
}

/// Changing the configuration, and what of it.
pub fn edit(config: &Path, what: &str) -> String {
    let config = shell_word(config);
    format!("\"${{EDITOR:-vi}}\" {config} && systemctl restart aptiqd   # {what}")
}

/// Pasting a secret into its file, which keeps its owner and mode if it is there.
pub fn paste(secret: &Path, what: &str) -> String {
    let secret = shell_word(secret);
    format!("(umask 077; cat > {secret}) && aptiqd token check   # {what}, then Ctrl-D")
}

/// What a sender meets at the public address, and what is to be changed about it.
pub fn probe(public_url: &str, what: &str) -> String {
    let address = format!("{}/cb/v1/probe", public_url.trim_end_matches('/'));
    let address = shell_word(Path::new(&address));
    format!("curl -si -X POST {address}   # an empty 404 is aptiqd's own; {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn words_for_people_are_no_command() {
        assert!(is_command("aptiqd reload   # and wait"));
        assert!(!is_command("ask somebody, then `aptiqd token check`"));
        assert!(!is_command(""));
    }

    #[test]
    fn a_shell_takes_the_lines_whatever_the_paths_are() {
        let odd = Path::new("/srv/o'Neil's $HOME/a b.toml");
        let lines = [
            edit(odd, "set [callback] public_url, isn't it"),
            paste(odd, "paste it"),
            probe("https://exports.example.com/$(x)/", "let it pass"),
        ];
        for line in lines {
            assert!(is_command(&line), "{line}");
            let read = Command::new("bash").args(["-nc", &line]).status();
            assert!(read.expect("bash runs").success(), "{line}");
        }
    }

    #[test]
    fn a_pasted_secret_goes_where_the_odd_path_says() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("it's $HOME");
        let line = paste(&secret, "x");
        let (write, _) = line.split_once(" && ").unwrap();
        let script = format!("echo new | {write}");
        assert!(
            Command::new("bash")
                .args(["-c", &script])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "new\n");
    }
}
