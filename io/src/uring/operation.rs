//! What one request does on the ring: submissions one after the other until all is transferred.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::squeue::Entry;
use io_uring::{cqueue, opcode, types};
use tokio_uring::{OneshotOutputTransform, UnsubmittedOneshot};

use super::ring::Outcome;
use crate::IoBuf;
use crate::os::Handle;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write,
    WriteDurable,
    Sync,
}

/// The most that one call of the kernel transfers, a multiple of the alignment.
const LARGEST: usize = 1 << 30;

/// What the driver keeps alive until the kernel has answered (U4).
type Owned = (Arc<Handle>, IoBuf);

/// Does the whole of one request.
pub(super) async fn perform(
    action: Action,
    handle: Arc<Handle>,
    buf: IoBuf,
    offset: u64,
) -> Outcome {
    let owned = (handle, buf);
    let (done, (_, buf)) = match action {
        Action::Read => read(owned, offset).await,
        Action::Write => write(owned, offset, Through::Buffered).await,
        Action::WriteDurable => write_durable(owned, offset).await,
        Action::Sync => sync(owned).await,
    };
    (done, buf)
}

async fn read(mut owned: Owned, offset: u64) -> (io::Result<usize>, Owned) {
    let mut done = 0;
    while done < owned.1.len() {
        let rest = &mut owned.1[done..];
        let (start, count) = (rest.as_mut_ptr(), rest.len().min(LARGEST) as u32);
        let fd = types::Fd(owned.0.buffered().as_raw_fd());
        let entry = opcode::Read::new(fd, start, count).offset(offset + done as u64).build();
        match submit(&mut owned, entry).await {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) => return (Err(error), owned),
        }
    }
    (Ok(done), owned)
}

/// Which descriptor a write goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    Buffered,
    Direct,
}

async fn write(mut owned: Owned, offset: u64, through: Through) -> (io::Result<usize>, Owned) {
    let mut done = 0;
    while done < owned.1.len() {
        let at = offset + done as u64;
        let rest = &owned.1[done..];
        let (start, count) = (rest.as_ptr(), rest.len().min(LARGEST) as u32);
        let file: Option<&File> = match through {
            Through::Buffered => Some(owned.0.buffered()),
            // A short direct write may leave a rest that is not aligned.
            Through::Direct => owned.0.direct_for(rest, at),
        };
        let Some(file) = file else {
            return (Err(io::ErrorKind::InvalidInput.into()), owned);
        };
        let fd = types::Fd(file.as_raw_fd());
        let entry = opcode::Write::new(fd, start, count).offset(at).build();
        match submit(&mut owned, entry).await {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), owned),
            Ok(count) => done += count,
            Err(error) => return (Err(error), owned),
        }
    }
    (Ok(done), owned)
}

async fn write_durable(mut owned: Owned, offset: u64) -> (io::Result<usize>, Owned) {
    if owned.0.direct_for(&owned.1, offset).is_some() {
        let done;
        (done, owned) = write(owned, offset, Through::Direct).await;
        match done {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                owned.0.direct_was_refused();
            }
            done => return (done, owned),
        }
    }
    match write(owned, offset, Through::Buffered).await {
        (Ok(count), owned) => {
            let (done, owned) = sync(owned).await;
            (done.map(|_| count), owned)
        }
        failed => failed,
    }
}

async fn sync(mut owned: Owned) -> (io::Result<usize>, Owned) {
    let fd = types::Fd(owned.0.buffered().as_raw_fd());
    let entry = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
    (submit(&mut owned, entry).await, owned)
}

/// One operation of the ring. The entry may point into the buffer and name descriptors of the
/// handle: both move into the driver for as long as the kernel works on them (U4), and a buffer's
/// bytes do not move with it.
async fn submit(owned: &mut Owned, entry: Entry) -> io::Result<usize> {
    loop {
        let placeless = (Arc::clone(&owned.0), IoBuf::empty());
        let lent = std::mem::replace(owned, placeless);
        let answer;
        (answer, *owned) = UnsubmittedOneshot::new(lent, Answer, entry.clone()).submit().await;
        match answer {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) => {}
            answer => return answer,
        }
    }
}

/// Turns the kernel's answer into a result.
struct Answer;

impl OneshotOutputTransform for Answer {
    type Output = (io::Result<usize>, Owned);
    type StoredData = Owned;

    fn transform_oneshot_output(self, owned: Owned, answer: cqueue::Entry) -> Self::Output {
        let result = answer.result();
        let count = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        (count, owned)
    }
}
