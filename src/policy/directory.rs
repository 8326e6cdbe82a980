//! The files of a policy directory, read as a whole so that a change is seen whatever tool made it.

use std::{collections::BTreeMap, path::Path};

use super::engine::PolicyMistake;

/// Bytes of all policy files together: far above any set that people write, far below what would hurt.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Names and texts of all `*.cedar` files, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Reads the directory. A file that cannot be read is a mistake: leaving out a `forbid` would open.
    pub(super) fn read(directory: &Path) -> Result<Self, Vec<PolicyMistake>> {
        let at = |why: &dyn std::fmt::Display| PolicyMistake::new(&directory.display().to_string(), why);
        let listed = std::fs::read_dir(directory).map_err(|why| vec![at(&format!("cannot be read: {why}"))])?;
        let (mut files, mut mistakes, mut bytes) = (BTreeMap::new(), Vec::new(), 0);
        for entry in listed {
            let entry = match entry {
                Ok(entry) => entry,
                Err(why) => {
                    mistakes.push(at(&format!("cannot be read: {why}")));
                    continue;
                }
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "cedar") || name.starts_with('.') {
                continue;
            }
            // Follows symbolic links: Kubernetes mounts each file of a ConfigMap as one.
            bytes += std::fs::metadata(&path).map_or(0, |found| found.len());
            if bytes > BYTES_MAX {
                return Err(vec![at(&format!("holds more than {BYTES_MAX} bytes of policies"))]);
            }
            match std::fs::read_to_string(&path) {
                Ok(text) => drop(files.insert(name, text)),
                Err(why) => mistakes.push(PolicyMistake::new(&name, &format!("cannot be read: {why}"))),
            }
        }
        if mistakes.is_empty() { Ok(Self(files)) } else { Err(mistakes) }
    }

    /// Name and text of each file.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}
