//! The writer thread: takes what is queued, writes it as one group, answers each once the group is durable.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use casque_core::StoreError;
use rusqlite::Transaction;
use tokio::sync::{mpsc, oneshot};

use crate::error::{NotCommitted, WriterStopped, unavailable};
use crate::write::{Draft, GroupWriter, Queued, Work};

/// Hands operations to the writer thread. Dropping it writes what is queued and waits for the thread's end.
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Box<dyn Queued>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(writer: GroupWriter) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        let thread = thread::Builder::new()
            .name("casque-store".to_owned())
            .spawn(move || run(writer, receiver))?;
        Ok(Self {
            queue: Some(sender),
            thread: Some(thread),
        })
    }

    /// Writes `work`; durable when it returns.
    pub(crate) async fn write<W: Work>(&self, work: W) -> Result<W::Done, W::Refusal> {
        let stopped = || unavailable(WriterStopped);
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (operation, answered) = Operation::queued(work);
        queue.send(operation).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Whether the thread takes operations.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.queue {
            Some(queue) if !queue.is_closed() => Ok(()),
            _ => Err(unavailable(WriterStopped)),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has answered nobody, and its transaction is rolled back: nothing to add here.
            drop(thread.join());
        }
    }
}

/// A work, its outcome once it is written, and where that goes once it is durable.
pub(crate) struct Operation<W: Work> {
    work: W,
    outcome: Option<Outcome<W>>,
    answer: oneshot::Sender<Outcome<W>>,
}

type Outcome<W> = Result<<W as Work>::Done, <W as Work>::Refusal>;

impl<W: Work> Operation<W> {
    /// An operation for the queue, and the end where its outcome comes out.
    pub(crate) fn queued(work: W) -> (Box<dyn Queued>, oneshot::Receiver<Outcome<W>>) {
        let (answer, answered) = oneshot::channel();
        let operation = Self {
            work,
            outcome: None,
            answer,
        };
        (Box::new(operation), answered)
    }
}

impl<W: Work> Queued for Operation<W> {
    fn write(&mut self, draft: &mut Draft<'_>, transaction: &mut Transaction<'_>) {
        self.outcome = Some(self.work.write(draft, transaction));
    }

    fn answer(self: Box<Self>, committed: Result<(), NotCommitted>) {
        let Self {
            outcome, answer, ..
        } = *self;
        let outcome = match committed {
            Ok(()) => outcome,
            Err(cause) => Some(Err(unavailable(cause).into())),
        };
        // One who has gone away does not want to know. An operation that was not written is in no group that was
        // committed; without an answer its caller would learn that the writer has stopped.
        drop(outcome.map(|outcome| answer.send(outcome)));
    }
}

fn run(mut writer: GroupWriter, mut queue: mpsc::Receiver<Box<dyn Queued>>) {
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
        let written = writer.write(&mut group);
        let committed = written.map_err(|failure| NotCommitted(Arc::new(failure)));
        for operation in group.drain(..) {
            operation.answer(committed.clone());
        }
    }
}

/// Further callers wait in line.
const MAX_QUEUED: usize = 1024;
const MAX_GROUP: usize = 256;
