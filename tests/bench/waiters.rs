//! Thousands of browsers that wait, in one thread.

use std::io;
use std::time::{Duration, Instant};

use crate::client::{PATIENCE, Place, address_of, orderpay};
use crate::connection::{Connection, Pair};
use crate::os::{Epoll, Event};

/// Their addresses: those of the other clients stay below.
const FIRST_ADDRESS: usize = 1000;
/// A pair of addresses has some 28,000 ports, and finding a free one is slow long before the last.
const SHARE_AN_ADDRESS: usize = 5000;
/// So many have asked and were not answered yet.
const OPENINGS_DUE: usize = 64;

pub struct Waiters {
    epoll: Epoll,
    place: Place,
    all: Vec<Connection>,
}

impl Waiters {
    pub fn none_yet(place: Place) -> io::Result<Self> {
        Ok(Waiters { epoll: Epoll::new()?, place, all: Vec::new() })
    }

    /// So many, each with its order, and all have their opening.
    ///
    /// # Errors
    /// If one of them is refused, or gets no opening.
    pub fn park(place: Place, count: usize, order: impl Fn(usize) -> String) -> io::Result<Self> {
        let mut waiters = Self::none_yet(place)?;
        let (mut opened, mut is_open) = (0, vec![false; count]);
        while opened < count {
            for number in waiters.all.len()..count.min(opened + OPENINGS_DUE) {
                let (token, pair) = waiters.next();
                let request = orderpay(&order(number));
                waiters.all.push(Connection::open(&waiters.epoll, token, pair, request)?);
            }
            let some = waiters.turn(PATIENCE, |number, waiter| {
                if !is_open[number] && place.wire.has_opened(&waiter.seen) {
                    is_open[number] = true;
                    opened += 1;
                    waiter.seen = Vec::new();
                }
            })?;
            if !some {
                return Err(io::Error::other(format!("{} got no opening", count - opened)));
            }
        }
        Ok(waiters)
    }

    /// One more, that asks a round trip later.
    pub fn add(&mut self, order: &str) -> io::Result<()> {
        let (token, pair) = self.next();
        let request = orderpay(order);
        self.all.push(Connection::begin(&self.epoll, token, pair, request)?);
        Ok(())
    }

    fn next(&self) -> (u64, Pair) {
        let number = self.all.len();
        let from = address_of(FIRST_ADDRESS + number / SHARE_AN_ADDRESS);
        (number as u64, (from, self.place.address))
    }

    /// Waits till the connections have ended, by the server or by `heard`; or till `end`. Returns
    /// how many have not.
    pub fn attend(
        &mut self,
        end: Instant,
        mut heard: impl FnMut(usize, &mut Connection),
    ) -> io::Result<usize> {
        let mut left = self.all.iter().filter(|waiter| !waiter.has_ended()).count();
        while left > 0 && Instant::now() < end {
            self.turn(end.saturating_duration_since(Instant::now()), |number, waiter| {
                heard(number, waiter);
                left -= usize::from(waiter.has_ended());
            })?;
        }
        Ok(left)
    }

    /// Whoever of them is ready goes on. False if nobody was, for so long.
    pub fn turn(
        &mut self,
        longest: Duration,
        mut heard: impl FnMut(usize, &mut Connection),
    ) -> io::Result<bool> {
        let mut events = [Event::default(); 1024];
        let ready = self.epoll.wait(&mut events, longest)?;
        for event in &*ready {
            let number = event.token as usize;
            self.all[number].go_on(&self.epoll)?;
            heard(number, &mut self.all[number]);
        }
        Ok(!ready.is_empty())
    }
}
