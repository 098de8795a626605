// SPDX-License-Identifier: MPL-2.0
//! The thread that owns the connection: takes what waits, commits it together, then answers.

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;

use super::{Change, Error, Job, Write, state};

/// Most changes in one commit, so that the first of them does not wait for ever.
const MAX_BATCH: usize = 256;

/// Writes until it is told to close or every [`Store`](super::Store) is gone.
pub(super) fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Job>,
    committed: impl Fn(Change),
) {
    let mut closers = Vec::new();
    while let Some(job) = queue.blocking_recv() {
        let (mut batch, mut reads) = (Vec::new(), Vec::new());
        let mut next = Some(job);
        while let Some(job) = next {
            match job {
                Job::Write(write) => batch.push(write),
                Job::Read(read) => reads.push(read),
                Job::Close(reply) => {
                    queue.close();
                    closers.push(reply);
                }
            }
            next = if batch.len() + reads.len() < MAX_BATCH {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        if !batch.is_empty() {
            answer(batch, &mut connection, &committed);
        }
        for read in reads {
            read(&connection);
        }
    }
    drop(connection);
    for reply in closers {
        let _ = reply.send(());
    }
}

fn answer(batch: Vec<Write>, connection: &mut Connection, committed: &impl Fn(Change)) {
    match commit(connection, &batch) {
        Ok(results) => {
            for (write, result) in batch.into_iter().zip(results) {
                if matches!(result, Ok(true)) {
                    committed(write.change);
                }
                // The caller may have left; the change stands.
                let _ = write.reply.send(result);
            }
        }
        Err(error) => {
            tracing::error!(cause = ?std::error::Error::source(&error), "{error}");
            for write in batch {
                let _ = write.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Makes the batch in one transaction. A change that does not apply is answered alone; it has
/// written nothing. A failure of the database ends the whole batch, because `SQLite` may have
/// rolled it back already.
fn commit(connection: &mut Connection, batch: &[Write]) -> Result<Vec<Result<bool, Error>>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(batch.len());
    for write in batch {
        match state::write(&transaction, &write.change) {
            Err(Error::Database(error)) => return Err(Error::Database(error)),
            result => results.push(result),
        }
    }
    transaction.commit()?;
    Ok(results)
}
