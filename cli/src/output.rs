//! Where results go: standard output, a file (`.output`), or a file for one statement (`.once`).

use std::fs::File;
use std::io::{self, BufWriter, Write};

/// The places results go to.
pub(crate) struct Output {
    standard: BufWriter<io::Stdout>,
    file: Option<BufWriter<File>>,
    once: bool,
}

impl Output {
    pub(crate) fn standard() -> Output {
        Output { standard: BufWriter::new(io::stdout()), file: None, once: false }
    }

    /// To a file from now on, or until the next statement ended; `None`: to standard output again.
    pub(crate) fn redirect(&mut self, file: Option<&str>, once: bool) -> io::Result<()> {
        self.flush()?;
        self.file = match file {
            Some(path) => Some(BufWriter::new(File::create(path)?)),
            None => None,
        };
        self.once = once && self.file.is_some();
        Ok(())
    }

    /// After a statement or command.
    pub(crate) fn statement_ended(&mut self) -> io::Result<()> {
        self.flush()?;
        if std::mem::take(&mut self.once) {
            self.file = None;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => self.standard.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        self.standard.flush()
    }
}
