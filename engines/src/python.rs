//! Asks Python where a package is installed. Some libraries are distributed as Python packages (wheels).

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Prints the folder of a package without importing it. The current folder is not searched, since a folder there that happens to have
/// the package's name must not be loaded from.
const CODE: &str = "\
import sys
sys.path = [p for p in sys.path if p]
import importlib.util
spec = importlib.util.find_spec(sys.argv[1])
print((spec.submodule_search_locations or [''])[0] if spec else '')
";

/// The folder of a Python package, which is not imported. The error is a part of a sentence that the caller completes.
pub(crate) fn package_folder(python: &OsStr, package: &str, timeout: Duration) -> Result<PathBuf, String> {
    let name = python.display();
    let mut child = Command::new(python)
        .args(["-c", CODE, package])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{name} cannot be run: {e}"))?;
    let deadline = Instant::now() + timeout;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                // If it has ended by itself meanwhile, these fail, and nothing is left to do.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name} did not answer within {} ms", timeout.as_millis()));
            }
            Err(e) => return Err(format!("{name} cannot be waited for: {e}")),
        }
    };
    let mut answer = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut answer).map_err(|e| format!("{name} cannot be read: {e}"))?;
    }
    let folder = answer.trim();
    if !status.success() {
        return Err(format!("{name} failed when asked for the package {package} ({status})"));
    }
    if folder.is_empty() {
        return Err(format!("{name} has no package {package}"));
    }
    Ok(PathBuf::from(folder))
}
