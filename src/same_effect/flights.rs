//! Equal calls in flight are one: the first makes it, the others wait for its answer.

use std::{
    any::Any,
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Digest, Likeness, digest};
use crate::domain::SessionName;

/// What a flight brings back; nothing as long as it is under way.
type Landing = Option<Arc<dyn Any + Send + Sync>>;

/// The calls that are in flight, by what makes others equal to them.
#[derive(Debug, Default)]
pub struct Flights {
    under_way: Mutex<HashMap<Digest, watch::Receiver<Landing>>>,
    /// Counts writes: a read that begins after one must not get an answer from before it.
    writes: AtomicU64,
}

/// How a call got its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It was made.
    Made,
    /// It is the answer of an equal call that was in flight.
    Joined,
}

impl Flights {
    /// What equal reads share: their content, whoever calls, as long as nothing was written in between. One that is made
    /// in a session of its caller's is the caller's own: CloudTrail names who reads.
    fn key_of_read(&self, call: &Likeness<'_>, session: Option<&SessionName>) -> Digest {
        let writes = self.writes.load(Ordering::Acquire).to_be_bytes();
        let session = session.map(SessionName::as_str).unwrap_or_default().as_bytes();
        digest(&[b"read", call.action.grpc_method().as_bytes(), call.content.hash(), &writes, session])
    }

    /// What makes other calls equal to this one; nothing does where none may be.
    pub fn key(&self, call: &Likeness<'_>, session: Option<&SessionName>) -> Option<Key> {
        let digest = if call.action.is_write() { call.key()? } else { self.key_of_read(call, session) };
        Some(Key(digest))
    }

    /// A write begins: until it ends, and from then on, reads ask AWS anew.
    pub fn begin_write(&self) -> Write<'_> {
        Write(&self.writes).note()
    }

    /// Makes the call, or waits until `deadline` for the answer of an equal one that is in flight.
    ///
    /// `is_good` says whether such an answer is one for this call too; where it is not, or the other call ended without
    /// one, this call is made. Answers nothing if the deadline passed while it waited.
    pub async fn share<T: Clone + Send + Sync + 'static>(
        &self,
        key: Option<Key>,
        deadline: Instant,
        is_good: impl Fn(&T) -> bool,
        mut make: impl Future<Output = T> + Unpin,
    ) -> Option<(T, Share)> {
        let Some(Key(key)) = key else { return Some((make.await, Share::Made)) };
        loop {
            match self.board(key) {
                Seat::First(landing) => {
                    let leaves = Leaves { flights: self, key };
                    let brought = (&mut make).await;
                    // First off the list: whoever does not take the answer must not find this flight again.
                    drop(leaves);
                    landing.send_replace(Some(Arc::new(brought.clone())));
                    return Some((brought, Share::Made));
                }
                Seat::Other(mut landing) => {
                    let landed = timeout_at(deadline, landing.wait_for(Option::is_some)).await.ok()?;
                    // An error means that the other call was dropped.
                    let landed = landed.ok().and_then(|landed| landed.clone());
                    let brought = landed.as_deref().and_then(|brought| brought.downcast_ref::<T>());
                    if let Some(brought) = brought.filter(|brought| is_good(brought)) {
                        return Some((brought.clone(), Share::Joined));
                    }
                }
            }
        }
    }

    fn board(&self, key: Digest) -> Seat {
        match self.lock().entry(key) {
            Entry::Occupied(flight) => Seat::Other(flight.get().clone()),
            Entry::Vacant(place) => {
                let (landing, others) = watch::channel(None);
                place.insert(others);
                Seat::First(landing)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, watch::Receiver<Landing>>> {
        // A poisoned lock still holds a whole map: each change of it is one step.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes two calls equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(Digest);

/// A write under way.
#[derive(Debug)]
pub struct Write<'a>(&'a AtomicU64);

impl Write<'_> {
    fn note(self) -> Self {
        self.0.fetch_add(1, Ordering::AcqRel);
        self
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

enum Seat {
    First(watch::Sender<Landing>),
    Other(watch::Receiver<Landing>),
}

/// Takes the flight off the list when it has landed or was dropped.
struct Leaves<'a> {
    flights: &'a Flights,
    key: Digest,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}
