//! The writer thread: takes what is queued, writes it as one group, answers each once the group is durable.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use casque_core::{AuditEvent, NewPolicy, PutError, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Failure, NotCommitted, WriterStopped, unavailable};
use crate::write::{GroupWriter, Outcome, Request};

/// Hands operations to the writer thread. Dropping it writes what is queued and waits for the thread's end.
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Operation>>,
    thread: Option<JoinHandle<()>>,
}

/// A request, and where its answer goes.
struct Operation {
    request: Request,
    answer: oneshot::Sender<Outcome>,
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

    /// Puts a version; durable when it returns.
    pub(crate) async fn put(&self, new: NewPolicy, audit: AuditEvent) -> Result<(), PutError> {
        self.write(Request::Put(Box::new(new), audit)).await
    }

    /// Appends an audit record; durable when it returns.
    pub(crate) async fn append(&self, event: AuditEvent) -> Result<(), StoreError> {
        match self.write(Request::Append(event)).await {
            Ok(()) => Ok(()),
            Err(PutError::Store(error)) => Err(error),
            // An append compares nothing, so it has nothing to conflict with.
            Err(conflict @ PutError::Conflict { .. }) => Err(unavailable(conflict)),
        }
    }

    /// Whether the thread takes operations.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.queue {
            Some(queue) if !queue.is_closed() => Ok(()),
            _ => Err(unavailable(WriterStopped)),
        }
    }

    async fn write(&self, request: Request) -> Outcome {
        let stopped = || PutError::Store(unavailable(WriterStopped));
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (answer, answered) = oneshot::channel();
        let operation = Operation { request, answer };
        queue.send(operation).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
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

fn run(mut writer: GroupWriter, mut queue: mpsc::Receiver<Operation>) {
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
        let (requests, answers): (Vec<_>, Vec<_>) = group
            .drain(..)
            .map(|operation| (operation.request, operation.answer))
            .unzip();
        match writer.write(&requests) {
            Ok(outcomes) => outcomes
                .into_iter()
                .zip(answers)
                .for_each(|(outcome, answer)| send(answer, outcome)),
            Err(failure) => refuse_all(failure, answers),
        }
    }
}

fn refuse_all(failure: Failure, answers: Vec<oneshot::Sender<Outcome>>) {
    let cause = NotCommitted(Arc::new(failure));
    for answer in answers {
        send(answer, Err(PutError::Store(unavailable(cause.clone()))));
    }
}

fn send(answer: oneshot::Sender<Outcome>, outcome: Outcome) {
    // One who has gone away does not want to know.
    drop(answer.send(outcome));
}

/// Further callers wait in line.
const MAX_QUEUED: usize = 1024;
const MAX_GROUP: usize = 256;
