//! The admin socket's file: made with its mode before anyone can connect, and only over a dead one.

use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The owner and the group may connect; nobody else.
pub const MODE: u32 = 0o660;

/// The longest path that an address holds on Linux (unix(7)), less room for the temporary suffix.
const ADDRESS_MAX: usize = 96;
/// The longest name of the file itself.
const NAME_MAX: usize = 60;

#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    #[error("another daemon answers at {path}")]
    InUse { path: PathBuf },
    #[error("{path} is there and is no socket")]
    Foreign { path: PathBuf },
    #[error("the file name of the socket {path} is longer than {NAME_MAX} bytes; set admin.socket")]
    TooLong { path: PathBuf },
    #[error("cannot make the socket {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A listening socket; its file goes away with it, if it is still this one's.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Bound {
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| metadata.ino() == self.inode);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds `path` with mode 0660, over what a dead daemon left there.
///
/// # Errors
/// Refuses a path where a daemon answers or where something else than a socket lies.
///
/// # Panics
/// Outside a tokio runtime.
pub fn bind(path: &Path) -> Result<Bound, SocketFault> {
    let fault = |source| SocketFault::Io {
        path: path.to_owned(),
        source,
    };
    if path.file_name().is_none_or(|name| name.len() > NAME_MAX) {
        return Err(SocketFault::TooLong {
            path: path.to_owned(),
        });
    }
    clear(path)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    // Bound beside and renamed: the final name never has another mode, and replacing is atomic.
    let temporary = path.with_extension(format!("{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    let reach = Reach::of(&temporary).map_err(fault)?;
    let listener = UnixListener::bind(reach.path()).map_err(fault)?;
    let placed = std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(MODE))
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| std::fs::symlink_metadata(path));
    match placed {
        Ok(metadata) => Ok(Bound {
            listener,
            path: path.to_owned(),
            inode: metadata.ino(),
        }),
        Err(source) => {
            let _ = std::fs::remove_file(&temporary);
            Err(fault(source))
        }
    }
}

/// A path as an address can hold it: a long one goes by way of its folder's descriptor.
pub struct Reach {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Reach {
    /// # Errors
    /// If a long path's folder cannot be opened.
    pub fn of(path: &Path) -> io::Result<Reach> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Reach {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let descriptor = format!("/proc/self/fd/{}", folder.as_raw_fd());
        Ok(Reach {
            path: Path::new(&descriptor).join(name),
            _folder: Some(folder),
        })
    }

    /// Good for as long as this lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Connects, however long the path.
pub fn connect(path: &Path) -> io::Result<std::os::unix::net::UnixStream> {
    std::os::unix::net::UnixStream::connect(Reach::of(path)?.path())
}

/// Finds out whether `path` may be taken.
fn clear(path: &Path) -> Result<(), SocketFault> {
    let path_owned = || path.to_owned();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(SocketFault::Io {
            path: path_owned(),
            source,
        }),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(SocketFault::Foreign { path: path_owned() })
        }
        Ok(_) => match connect(path) {
            Ok(_) => Err(SocketFault::InUse { path: path_owned() }),
            Err(_) => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_has_its_mode_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let bound = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind");
        let bound = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketFault::InUse { .. })));
        std::os::unix::net::UnixStream::connect(bound.path()).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketFault::Foreign { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_successor_keeps_its_file_when_the_predecessor_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_path_that_no_address_can_hold_is_reached_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(200)).join("admin.sock");
        let bound = bind(&path).unwrap();
        assert_eq!(bound.path(), path);
        connect(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketFault::InUse { .. })));
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_name_that_no_address_can_hold_is_refused() {
        let path = PathBuf::from(format!("/tmp/{}.sock", "x".repeat(120)));
        assert!(matches!(bind(&path), Err(SocketFault::TooLong { .. })));
    }
}
