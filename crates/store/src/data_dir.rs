//! The data folder: private, and one process at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::error::OpenError;

/// The right to work on a store, as long as this value lives. The system takes it back when the
/// process dies, in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock file at `path`, without waiting.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::DataDir {
            path: path.into(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is a courtesy; that it is held is already certain.
                let holder = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse {
                    path: path.into(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(unusable)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started holds a copy of it
        // until it runs its own program.
        self.file.unlock().ok();
    }
}

/// Makes the folder for its owner alone, with the folders above it; one that exists stays as it is.
pub(crate) fn create(path: &Path) -> Result<(), OpenError> {
    let unusable = |source| OpenError::DataDir {
        path: path.into(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(path)
        .map_err(unusable)?;
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
    if mode & OTHERS_MAY_WRITE != 0 {
        tracing::warn!(path = %path.display(), "others may write to the data folder");
    }
    Ok(())
}

/// Makes an empty private file where there is none.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path);
    match made {
        Ok(file) => {
            file.sync_all()?;
            sync_parent(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            keep_private(path);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole, private and on the disk when this returns: whoever reads it, even
/// after a power cut, finds the old contents or the new, never a part.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE_FILE)
        .open(&draft)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_parent(path)
}

/// Takes the rights of group and others from a file that has come to have some.
pub(crate) fn keep_private(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if !mode.is_ok_and(|mode| mode & OTHERS_MAY_ANYTHING != 0) {
        return;
    }
    let is_closed = fs::set_permissions(path, Permissions::from_mode(PRIVATE_FILE)).is_ok();
    tracing::warn!(path = %path.display(), is_closed, "a private file was open to others");
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

/// Returns the rights on a file or folder, for tests.
#[cfg(test)]
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
const OTHERS_MAY_WRITE: u32 = 0o022;
const OTHERS_MAY_ANYTHING: u32 = 0o077;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::take(&path).unwrap();
        let Err(OpenError::InUse { holder, .. }) = Lock::take(&path) else {
            panic!("the lock was given twice");
        };
        assert_eq!(holder, Some(std::process::id()));
        drop(held);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn the_folder_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create(&path).unwrap();
        assert_eq!(mode(&path), PRIVATE_DIR);
        create(&path).unwrap();
    }

    #[test]
    fn a_file_written_whole_is_private_and_leaves_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(mode(&path), PRIVATE_FILE);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_open_to_others_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        create_file(&path).unwrap();
        assert_eq!(mode(&path), PRIVATE_FILE);
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
