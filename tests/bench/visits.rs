//! What the load consists of.

use std::io;

use crate::client::{self, HEALTH, HEALTH_ONCE, new_order, unexpected};
use crate::connection::Connection;
use crate::load::{Site, Visit};

const WAITER: usize = 0;
const PLATFORM: usize = 1;

/// An order from its opening to the end of its stream: a browser that waits, and when it has its
/// opening a platform that pays, on a connection of its own.
pub struct Cycle {
    order: String,
    waiter: Connection,
    platform: Option<Connection>,
}

impl Visit for Cycle {
    fn begin(site: &Site) -> io::Result<Self> {
        let order = new_order();
        let waiter = site.open(WAITER, client::orderpay(&order))?;
        Ok(Cycle { order, waiter, platform: None })
    }

    fn go_on(&mut self, site: &Site, role: usize) -> io::Result<bool> {
        let (waiter, wire) = (&mut self.waiter, site.wire());
        let Some(platform) = &mut self.platform else {
            waiter.go_on(site.epoll)?;
            if wire.has_opened(&waiter.seen) {
                waiter.seen.clear();
                self.platform = Some(site.open(PLATFORM, client::payback(wire, &self.order))?);
            } else if waiter.has_ended() {
                return Err(unexpected("end", &waiter.seen));
            }
            return Ok(false);
        };
        if role == PLATFORM { &mut *platform } else { &mut *waiter }.go_on(site.epoll)?;
        if wire.stays_open() && wire.has_told(&waiter.seen) {
            waiter.close();
        }
        let over = waiter.has_ended() && platform.has_ended();
        if over {
            wire.check_frames(&waiter.seen)?;
            wire.check_receipt(&platform.seen)?;
        }
        Ok(over)
    }
}

/// One question on a new connection, which ends with the answer.
pub struct Question(Connection);

impl Visit for Question {
    fn begin(site: &Site) -> io::Result<Self> {
        site.open(WAITER, HEALTH_ONCE).map(Question)
    }

    fn go_on(&mut self, site: &Site, _: usize) -> io::Result<bool> {
        self.0.go_on(site.epoll)?;
        if self.0.has_ended() {
            client::check_health(&self.0.seen)?;
        }
        Ok(self.0.has_ended())
    }
}

/// One question after the other on one connection.
pub struct Conversation(Connection);

impl Visit for Conversation {
    fn begin(site: &Site) -> io::Result<Self> {
        site.open(WAITER, HEALTH).map(Conversation)
    }

    fn go_on(&mut self, site: &Site, _: usize) -> io::Result<bool> {
        self.0.go_on(site.epoll)?;
        if self.0.has_ended() {
            return Err(unexpected("end", &self.0.seen));
        }
        // An answer is one segment: what has come is all of it.
        let answered = !self.0.seen.is_empty();
        if answered {
            client::check_health(&self.0.seen)?;
        }
        Ok(answered)
    }

    fn again(mut self, _: &Site) -> io::Result<Self> {
        self.0.ask_again(HEALTH)?;
        Ok(self)
    }
}
