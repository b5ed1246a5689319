//! Files that hold a secret: there, readable by us and by nobody else, and of the expected form.

use super::section::{At, Section};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// No secret of ours is longer.
const SECRET_MAX: u64 = 64 << 10;

/// What a secret file must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One line without spaces: a token, a client secret, a URL.
    Word,
    /// Keys of the callback MAC: 64 hex digits a line.
    Keys,
}

/// The paths that secret files are read from.
pub(super) struct Secrets<'a> {
    pub folder: &'a Path,
    /// systemd's credentials: shown as readable by the group, because they are granted by an access list.
    pub credentials: Option<&'a Path>,
}

impl Secrets<'_> {
    /// The path under `key`, after proving the file. Its contents are read again when they are used.
    pub fn file(
        &self,
        section: &Section<'_>,
        key: &'static str,
        holds: Holds,
    ) -> Option<At<PathBuf>> {
        let at = section.text(key)?;
        let path = self.folder.join(at.value.as_ref());
        match self.prove(&path, holds) {
            Ok(()) => Some(At {
                value: path,
                span: at.span,
            }),
            Err((code, message, help)) => section.fault(at.span, code, message, help),
        }
    }

    fn prove(&self, path: &Path, holds: Holds) -> Result<(), (&'static str, String, String)> {
        let shown = path.display();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => (
                "missing-file",
                format!("there is no file `{shown}`"),
                match holds {
                    Holds::Word => {
                        format!(
                            "put the secret there: (umask 077; {}cat > {})",
                            folder_of(path),
                            quoted(path)
                        )
                    }
                    Holds::Keys => format!(
                        "make it: (umask 077; {}openssl rand -hex 32 > {}), or leave the key out",
                        folder_of(path),
                        quoted(path)
                    ),
                },
            ),
            _ => (
                "unreadable",
                format!("{shown} cannot be read: {error}"),
                "let the daemon's user read it".to_owned(),
            ),
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err((
                "unreadable",
                format!("{shown} is no file"),
                "name the file that holds the secret".to_owned(),
            ));
        }
        let mode = metadata.permissions().mode();
        let granted = self
            .credentials
            .is_some_and(|folder| path.starts_with(folder));
        if mode & if granted { 0o007 } else { 0o077 } != 0 {
            let message = format!(
                "{shown} is open to others than its owner (mode {:04o})",
                mode & 0o7777
            );
            return Err((
                "secret-permissions",
                message,
                format!("chmod 600 {}", quoted(path)),
            ));
        }
        let mut text = Vec::new();
        file.take(SECRET_MAX)
            .read_to_end(&mut text)
            .map_err(failed)?;
        let code = match holds {
            Holds::Word => "bad-secret",
            Holds::Keys => "bad-key",
        };
        let unfit = |message: String, help: &str| Err((code, message, help.to_owned()));
        match (holds, std::str::from_utf8(&text)) {
            (Holds::Word, Ok(text)) if is_word(text.trim()) => Ok(()),
            (Holds::Word, _) => unfit(
                format!("{shown} holds no secret"),
                "put the secret alone into it, on one line",
            ),
            (Holds::Keys, Ok(text)) => match bad_key_line(text) {
                None => Ok(()),
                Some(line) => unfit(
                    format!("line {line} of {shown} is no key"),
                    "a key is 64 hex digits, one key a line, newest first",
                ),
            },
            (Holds::Keys, Err(_)) => unfit(
                format!("{shown} holds no keys"),
                "a key is 64 hex digits, one key a line, newest first",
            ),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The first line (from 1) that is no key; a file without keys fails at line 1.
fn bad_key_line(text: &str) -> Option<usize> {
    let key = |line: &str| line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit());
    let bad = text
        .lines()
        .position(|line| !line.trim().is_empty() && !key(line.trim()));
    bad.or(text.trim().is_empty().then_some(0))
        .map(|index| index + 1)
}

/// `mkdir -p FOLDER; `, if the folder is not there.
fn folder_of(path: &Path) -> String {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            format!("mkdir -p {}; ", quoted(folder))
        }
        _ => String::new(),
    }
}

/// A path as it can be pasted into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@:".contains(&b);
    if text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_proven_line_by_line() {
        let key = "0123456789abcdefABCDEF00112233445566778899aabbccddeeff0011223344";
        assert_eq!(bad_key_line(&format!("{key}\n{key}\n\n")), None);
        assert_eq!(bad_key_line(&format!("{key}\n{}\n", &key[1..])), Some(2));
        assert_eq!(bad_key_line(""), Some(1));
    }

    #[test]
    fn a_path_in_help_can_be_pasted() {
        assert_eq!(quoted(Path::new("/a/b.c")), "/a/b.c");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
