//! Who sent a message, by its TSIG record (RFC 8945), and how the reply is signed. Pure: the time is an input.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::{TSIG, TsigError, make_tsig_record, signed_bitmessage_to_buf};
use hickory_proto::rr::{DNSClass, Name, Record};
use hickory_proto::rr::{TSigResponseContext, TSigner};

/// What a message's signature says.
pub enum Sender {
    /// There is none.
    Anonymous,
    /// It is good; its MAC goes into the reply's.
    Known(Vec<u8>),
    /// It can't be read.
    Malformed,
    /// §5.2.1: no such key or algorithm here.
    BadKey(Name),
    /// §5.2.2: the MAC is wrong.
    BadSignature,
    /// §5.2.3: the MAC is right, the clock is not.
    BadTime(Box<TSIG>),
}

impl Sender {
    /// Looks at the signature of `bytes`, which `request` was decoded from. `now`: seconds since 1970.
    pub fn of(bytes: &[u8], request: &Message, signer: &TSigner, now: u64) -> Self {
        if request.signature.is_none() {
            return Self::Anonymous;
        }
        let Ok((signed, record)) = signed_bitmessage_to_buf(bytes, None, true) else { return Self::Malformed };
        // §4.2 fixes class and TTL. The MAC is computed over what they must be, not over what they are.
        if record.dns_class != DNSClass::ANY || record.ttl != 0 {
            return Self::Malformed;
        }
        let Record { name, data: tsig, .. } = *record;
        if name != *signer.signer_name() || tsig.algorithm != *signer.algorithm() {
            return Self::BadKey(name);
        }
        if signer.verify(&signed, &tsig.mac).is_err() {
            return Self::BadSignature;
        }
        if tsig.time.abs_diff(now) > u64::from(tsig.fudge) {
            return Self::BadTime(Box::new(tsig));
        }
        Self::Known(tsig.mac)
    }

    /// The refusal that is due to the signature alone, if any.
    pub fn refusal(&self) -> Option<ResponseCode> {
        match self {
            Self::Anonymous | Self::Known(_) => None,
            Self::Malformed => Some(ResponseCode::FormErr),
            Self::BadKey(_) | Self::BadSignature | Self::BadTime(_) => Some(ResponseCode::NotAuth),
        }
    }

    /// Puts on the reply the TSIG record that the sender must get: signed for a good signature and for a wrong clock,
    /// unsigned with an error otherwise (§5.3.2).
    pub fn sign(&self, reply: &mut Message, signer: &TSigner, now: u64) -> Option<()> {
        let id = reply.id;
        let signer = signer.clone();
        let record = match self {
            Self::Anonymous | Self::Malformed => return Some(()),
            Self::Known(mac) => {
                TSigResponseContext::new(id, now, signer, mac.clone(), None).sign(&reply.to_vec().ok()?).ok()?
            }
            Self::BadKey(name) => TSigResponseContext::unknown_key(id, now, name.clone()).sign(&[]).ok()?,
            Self::BadSignature => TSigResponseContext::bad_signature(id, now, signer).sign(&[]).ok()?,
            Self::BadTime(theirs) => {
                // §5.2.3: their time in the record, ours in six bytes beside it.
                let ours = now.to_be_bytes().get(2..).unwrap_or_default().to_vec();
                let algorithm = signer.algorithm().clone();
                let error = Some(TsigError::BadTime);
                let stub = TSIG::new(algorithm, theirs.time, signer.fudge(), Vec::new(), id, error, ours);
                let signed = signer.encode_response_tbs(&theirs.mac, &reply.to_vec().ok()?, &stub).ok()?;
                let mac = signer.sign(&signed).ok()?;
                Box::new(make_tsig_record(signer.signer_name().clone(), stub.set_mac(mac)))
            }
        };
        reply.set_signature(record);
        Some(())
    }
}
