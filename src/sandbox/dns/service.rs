//! What one message gets for an answer: the zone as it was committed, the copy that each server shows, and the faults.
//! No sockets here, and the clock is an input, so all of it is tested without waiting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::TSigner;

use super::answer::{answer, reply_to};
use super::auth::Sender;
use super::update;
use super::zone::Zone;

/// Largest UDP answer that we offer and give (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;
/// Versions of the zone on their way to a server; beyond it the oldest is skipped, as a slow secondary skips serials.
const MAX_PENDING: usize = 64;

/// When a server shows what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// At once.
    AtOnce,
    /// So much later.
    After(Duration),
    /// Not until this is changed: the update was accepted, and this server goes on with the old answer.
    Held,
}

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagram: the answer must fit.
    Udp,
    /// Stream.
    Tcp,
}

/// What one name server shows.
#[derive(Debug)]
struct View {
    zone: Arc<Zone>,
    pending: VecDeque<(Instant, Arc<Zone>)>,
    publication: Publication,
    silent: bool,
}

impl View {
    /// Takes over what is due.
    fn at(&mut self, now: Instant) -> &Arc<Zone> {
        while let Some((_, zone)) = self.pending.pop_front_if(|(due, _)| *due <= now) {
            self.zone = zone;
        }
        &self.zone
    }

    fn publish(&mut self, zone: &Arc<Zone>, now: Instant) {
        match self.publication {
            Publication::AtOnce => {
                self.pending.clear();
                self.zone = Arc::clone(zone);
            }
            Publication::After(delay) => {
                if self.pending.len() == MAX_PENDING {
                    self.pending.pop_front();
                }
                self.pending.push_back((now + delay, Arc::clone(zone)));
            }
            Publication::Held => {}
        }
    }
}

/// The zone and its name servers. Number 0 is the primary: it alone takes updates.
pub struct Service {
    committed: Arc<Zone>,
    views: Vec<View>,
    signer: TSigner,
    refuse_updates: bool,
    updates: u64,
}

impl Service {
    /// A zone shown by so many servers.
    pub fn new(zone: Zone, servers: usize, signer: TSigner) -> Self {
        let committed = Arc::new(zone);
        let view = || View {
            zone: Arc::clone(&committed),
            pending: VecDeque::new(),
            publication: Publication::AtOnce,
            silent: false,
        };
        let views = std::iter::repeat_with(view).take(servers).collect();
        Self { committed, views, signer, refuse_updates: false, updates: 0 }
    }

    /// Answers a message to a server; `None`: no answer is sent. `now` twice: for delays, and in seconds since 1970
    /// for signatures.
    pub fn handle(&mut self, server: usize, bytes: &[u8], by: Transport, now: Instant, unix: u64) -> Option<Vec<u8>> {
        if self.views.get(server).is_none_or(|view| view.silent) {
            return None;
        }
        let request = match Message::from_vec(bytes) {
            Ok(request) => request,
            Err(_) => return malformed(bytes),
        };
        // An answer to an answer would go on forever.
        if request.message_type != MessageType::Query {
            return None;
        }
        let sender = Sender::of(bytes, &request, &self.signer, unix);
        let mut reply = match (sender.refusal(), request.op_code) {
            (Some(code), _) => reply_to(&request, code),
            _ if request.edns.as_ref().is_some_and(|edns| edns.version() != 0) => {
                reply_to(&request, ResponseCode::BADVERS)
            }
            (None, OpCode::Query) => answer(self.views.get_mut(server)?.at(now), &request),
            (None, OpCode::Update) => reply_to(&request, self.update(server, &request, &sender, now)),
            (None, _) => reply_to(&request, ResponseCode::NotImp),
        };
        if request.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD).set_version(0);
            reply.set_edns(edns);
        }
        let limit = match by {
            Transport::Udp => usize::from(request.max_payload().clamp(512, UDP_PAYLOAD)),
            Transport::Tcp => usize::from(u16::MAX),
        };
        self.encode(reply, &sender, limit, unix)
    }

    /// Encodes and signs; what is too long is cut to its question with the TC bit, so that the client asks by TCP.
    fn encode(&self, mut reply: Message, sender: &Sender, limit: usize, unix: u64) -> Option<Vec<u8>> {
        let mut short = reply.truncate();
        sender.sign(&mut reply, &self.signer, unix)?;
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit {
            return Some(bytes);
        }
        sender.sign(&mut short, &self.signer, unix)?;
        short.to_vec().ok()
    }

    fn update(&mut self, server: usize, request: &Message, sender: &Sender, now: Instant) -> ResponseCode {
        if let Err(code) = update::check_zone(&self.committed, request) {
            return code;
        }
        if server != 0 || self.refuse_updates || !matches!(sender, Sender::Known(_)) {
            return ResponseCode::Refused;
        }
        match update::apply(&self.committed, request) {
            Ok(Some(zone)) => {
                self.commit(zone, now);
                self.updates += 1;
                ResponseCode::NoError
            }
            Ok(None) => ResponseCode::NoError,
            Err(code) => code,
        }
    }

    /// Makes a zone the committed one and sends it on its way to the servers.
    pub fn commit(&mut self, zone: Zone, now: Instant) {
        self.committed = Arc::new(zone);
        for view in &mut self.views {
            view.at(now);
            view.publish(&self.committed, now);
        }
    }

    /// The zone as updates see it.
    pub fn committed(&self) -> &Zone {
        &self.committed
    }

    /// The zone as a server shows it.
    pub fn shown(&mut self, server: usize, now: Instant) -> Option<&Zone> {
        self.views.get_mut(server).map(|view| view.at(now).as_ref())
    }

    /// Updates that changed something.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Changes when a server shows what is committed, beginning with what it does not show yet.
    pub fn set_publication(&mut self, server: usize, publication: Publication, now: Instant) {
        let Some(view) = self.views.get_mut(server) else { return };
        view.at(now);
        view.pending.clear();
        view.publication = publication;
        if !Arc::ptr_eq(&view.zone, &self.committed) {
            view.publish(&self.committed, now);
        }
    }

    /// Makes a server drop everything that comes.
    pub fn set_silent(&mut self, server: usize, silent: bool) {
        if let Some(view) = self.views.get_mut(server) {
            view.silent = silent;
        }
    }

    /// Makes the primary refuse updates.
    pub fn set_refuse_updates(&mut self, refuse: bool) {
        self.refuse_updates = refuse;
    }
}

/// FORMERR for what has a header at least and is no answer itself.
fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let [high, low, flags, _, ..] = bytes else { return None };
    if bytes.len() < 12 || flags & 0x80 != 0 {
        return None;
    }
    let op_code = OpCode::from_u8((flags >> 3) & 0x0f);
    Message::error_msg(u16::from_be_bytes([*high, *low]), op_code, ResponseCode::FormErr).to_vec().ok()
}
