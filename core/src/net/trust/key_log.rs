//! The secrets of connections, for programs such as Wireshark that read what was recorded.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{KeyLog, NoKeyLog};

use crate::net::tls_error::TlsError;

/// The variable that browsers and curl read.
const VARIABLE: &str = "SSLKEYLOGFILE";

/// Appends to a file in the format of NSS, a line for each secret.
pub(super) struct KeyLogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl KeyLogFile {
    /// Opens the file, and makes one that only its owner can read if there is none.
    pub(super) fn open(path: &Path) -> Result<Arc<dyn KeyLog>, TlsError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => Ok(Arc::new(Self { path: path.to_owned(), file: Mutex::new(file) })),
            Err(error) => Err(TlsError::new(error.to_string()).in_place(path.display())),
        }
    }

    /// The file that the environment names, if it names one.
    pub(super) fn from_env() -> Result<Arc<dyn KeyLog>, TlsError> {
        match std::env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => {
                Self::open(Path::new(&path)).map_err(|error| error.in_place(VARIABLE))
            }
            _ => Ok(Arc::new(NoKeyLog)),
        }
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        // In one piece, so that the lines of several processes do not mix.
        let line = format!("{label} {} {}\n", Hex(client_random), Hex(secret));
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk is no reason to fail a connection.
        let _ = file.write_all(line.as_bytes());
    }
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLogFile({:?})", self.path)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            for digit in [byte >> 4, byte & 0x0f] {
                f.write_char(char::from_digit(digit.into(), 16).unwrap_or('?'))?;
            }
        }
        Ok(())
    }
}
