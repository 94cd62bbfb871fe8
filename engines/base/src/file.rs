//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Puts a file with these bytes into its place: [`Draft::new`], [`Draft::write`] and [`Draft::persist`] in one.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let place = folder.path().join("premodel.json");
/// trt_select_base::file::write(&place, b"{}")?;
/// assert_eq!(std::fs::read(&place)?, b"{}");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's. What stood in the place before then stands there still, and no other file is left behind.
pub fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = Draft::new(place)?;
    draft.write(bytes)?;
    draft.persist()
}

/// A file that is not in its place yet. It lies in the same folder under a name of its own, and is removed if it is dropped before
/// [`Draft::persist`] has put it into its place. Whoever is killed meanwhile leaves at most that other file behind; the place always
/// holds the whole old file or the whole new one, also when the machine loses its power.
#[derive(Debug)]
pub struct Draft {
    place: PathBuf,
    file: DraftFile,
}

/// The file that a draft's bytes are written to.
#[derive(Debug)]
enum DraftFile {
    /// A file beside the place, which `persist` renames.
    Beside(NamedTempFile),
    /// The place itself, if it is a device or a pipe: no file can replace it.
    Straight(File),
}

impl Draft {
    /// Opens a draft of the file at `place`. A place that is a link to a file stays a link: what it leads to will be replaced. (A link
    /// that leads nowhere is replaced itself.) Done before long work, this finds a place that cannot be written while nothing is lost.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::IsADirectory`] where the place is a folder.
    pub fn new(place: &Path) -> io::Result<Draft> {
        let place = place.canonicalize().unwrap_or_else(|_| place.to_path_buf());
        let found = fs::metadata(&place).ok();
        match &found {
            Some(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Some(found) if !found.is_file() => {
                let file = DraftFile::Straight(OpenOptions::new().write(true).open(&place)?);
                return Ok(Draft { place, file });
            }
            _ => {}
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".part");
        // By itself tempfile lets nobody but the owner read its files; ours are as those that others write.
        #[cfg(unix)]
        builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        let beside = builder.tempfile_in(folder_of(&place))?;
        // A file that is replaced keeps its permissions, where its owner may set them.
        if let Some(found) = found {
            let _ = beside.as_file().set_permissions(found.permissions());
        }
        Ok(Draft { place, file: DraftFile::Beside(beside) })
    }

    /// Where the file will be: the place that was asked for, without links.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the place is a device or a pipe, so that what is written arrives at once.
    pub fn is_straight(&self) -> bool {
        matches!(self.file, DraftFile::Straight(_))
    }

    /// Adds bytes to the file, and waits until they are on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            DraftFile::Beside(file) => {
                file.write_all(bytes)?;
                file.as_file().sync_all()
            }
            DraftFile::Straight(file) => file.write_all(bytes).and_then(|()| file.flush()),
        }
    }

    /// Puts the file into its place, and waits until the folder's change is on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn persist(self) -> io::Result<()> {
        let DraftFile::Beside(file) = self.file else { return Ok(()) };
        file.persist(&self.place).map_err(|refused| refused.error)?;
        // Folders are opened for reading, and are files to be flushed, on Unix alone. Some file systems cannot flush them: the file is
        // in its place all the same.
        #[cfg(unix)]
        if let Ok(folder) = File::open(folder_of(&self.place)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn folder_of(place: &Path) -> &Path {
    place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.json");
        fs::write(&place, "old").unwrap();
        let mut draft = Draft::new(&place).unwrap();
        draft.write(b"new").unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(draft);
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["x.json".to_owned()], b"old".to_vec()));
        write(&place, b"new").unwrap();
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["x.json".to_owned()], b"new".to_vec()));
    }

    #[test]
    fn folders_are_refused_and_missing_folders_too() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Draft::new(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(write(&folder.path().join("none/x"), b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_is_written_straight() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(Draft::new(Path::new("/dev/null")).unwrap().is_straight());
        write(Path::new("/dev/null"), b"new").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_as_others_write_it_and_an_old_one_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours, old) = (folder.path().join("plain"), folder.path().join("ours"), folder.path().join("old"));
        fs::write(&plain, "x").unwrap();
        write(&ours, b"x").unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        fs::write(&old, "x").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o640)).unwrap();
        write(&old, b"y").unwrap();
        assert_eq!(mode(&old), 0o640);
    }
}
