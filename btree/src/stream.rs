//! Reads a file from front to back through a large buffer.

use std::sync::Arc;

use heddle_io::{File, IoBuf};

use crate::error::Result;

/// Bytes asked for at once, at least.
const CHUNK: usize = 256 * 1024;

/// See the module.
pub(crate) struct Stream {
    file: Arc<dyn File>,
    buf: IoBuf,
    /// Where in the file the buffer begins.
    start: u64,
}

impl Stream {
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        Self { file, buf: IoBuf::empty(), start: 0 }
    }

    /// The `len` bytes at `offset`; fewer only where the file ends.
    pub(crate) async fn at(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let within = |stream: &Self| {
            usize::try_from(offset.checked_sub(stream.start)?)
                .ok()
                .filter(|from| from + len <= stream.buf.len())
        };
        let from = match within(self) {
            Some(from) => from,
            None => {
                let buf = IoBuf::zeroed(len.max(CHUNK));
                let (read, mut buf) = self.file.read_at(buf, offset).await;
                buf.resize(read?);
                (self.buf, self.start) = (buf, offset);
                0
            }
        };
        let end = (from + len).min(self.buf.len());
        Ok(&self.buf[from..end])
    }
}
