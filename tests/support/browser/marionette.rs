//! Firefox's own protocol for the same commands: JSON over TCP, a length and a colon before each message
//! (Firefox Source Docs, Marionette, "Protocol").

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::str;

use super::super::Client;
use super::super::json::Json;

pub struct Marionette(RefCell<Connection>);

struct Connection {
    client: Client,
    last_id: u32,
}

impl Marionette {
    pub fn new(port: u16) -> Marionette {
        let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
        let greeting = receive(&mut client).expect("Firefox's greeting");
        assert_eq!(greeting["marionetteProtocol"], Json::Number(3.0));
        Marionette(RefCell::new(Connection { client, last_id: 0 }))
    }

    /// Sends `[0, id, name, parameters]` and reads `[1, id, error, result]`.
    pub fn command(&self, name: &str, parameters: &Json) -> io::Result<Json> {
        let Connection { client, last_id } = &mut *self.0.borrow_mut();
        *last_id += 1;
        let id = Json::Number((*last_id).into());
        let message = Json::List(vec![Json::Number(0.0), id, name.into(), parameters.clone()]);
        let message = message.to_string();
        client.try_send(format!("{}:{message}", message.len()))?;
        match receive(client)?.list() {
            [_, _, Json::Null, result] => Ok(value(result)),
            [_, _, error, _] => Err(io::Error::other(error.to_string())),
            other => panic!("not an answer: {other:?}"),
        }
    }
}

fn receive(client: &mut Client) -> io::Result<Json> {
    let length = client.try_until(":")?;
    let length = String::from_utf8_lossy(&length);
    let length = length.trim_end_matches(':').parse().expect("a length");
    let message = client.try_exactly(length)?;
    Ok(Json::parse(str::from_utf8(&message).expect("UTF-8")))
}

/// Some results are there as they are, others as the one member `value`.
fn value(result: &Json) -> Json {
    match result {
        Json::Object(members) if members.len() == 1 && members[0].0 == "value" => {
            members[0].1.clone()
        }
        _ => result.clone(),
    }
}
