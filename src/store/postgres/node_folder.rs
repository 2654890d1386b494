//! The folder of a node: its name among the nodes, and the lock by which it has one process only.
//!
//! Who holds the lock knows that the process before has ended, so that its leases can be freed at once. A folder belongs to one
//! node: it is not copied to another machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use uuid::Uuid;

use crate::store::{Error, Settings, sqlite};

/// Takes the lock until the file is closed; returns the name that the node has had since its first start.
pub(super) fn enter(settings: &Settings) -> Result<(Uuid, File), Error> {
    let path = settings.local_path()?;
    let lock = sqlite::lock(&path)?;
    let file = path.with_extension("node");
    let node = name(&file).map_err(|source| Error::Lock { path: file, source })?;
    Ok((node, lock))
}

/// Releases the lock for another process.
pub(super) fn leave(path: &Path, lock: &File) -> Result<(), Error> {
    lock.unlock().map_err(|source| Error::Lock { path: path.with_extension("lock"), source })
}

fn name(file: &Path) -> io::Result<Uuid> {
    match fs::read_to_string(file) {
        Ok(text) => Uuid::try_parse(text.trim()).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let node = Uuid::new_v4();
            let mut created = File::create_new(file)?;
            writeln!(created, "{node}")?;
            created.sync_all()?;
            Ok(node)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_name_and_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            url: "postgres://localhost/otpost".to_owned(),
            folder: folder.path().to_owned(),
            ..Settings::default()
        };
        let (name, lock) = enter(&settings).unwrap();
        assert!(matches!(enter(&settings), Err(Error::AlreadyRunning { .. })));
        drop(lock);
        assert_eq!(enter(&settings).unwrap().0, name);
    }
}
