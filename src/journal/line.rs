//! One line of a journal: sequence number, hash of the line before, own hash, record. The hash is over the record's
//! text as it stands in the file, so that a later version that writes fields in another order still finds it whole.

use crate::playbook::record::Record;
use sha2::{Digest, Sha256};

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has not the form of a line.
    #[error("this is no line of a journal")]
    Form,
    /// A line is missing or in the wrong place.
    #[error("number {found} stands where {expected} belongs: lines are missing or moved")]
    Sequence {
        /// Expected number.
        expected: u64,
        /// Number found.
        found: String,
    },
    /// It does not follow from the line before.
    #[error("it does not follow from the line before: one of the two was changed")]
    Chain,
    /// Its text is not what was hashed.
    #[error("its text was changed after it was written")]
    Hash,
    /// Its record cannot be read.
    #[error("its record can not be read: {0}")]
    Record(String),
}

/// Where the chain stands: the next number, and the hash of the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    next: u64,
    last: String,
}

const RECORD: &str = ",\"record\":";

impl Link {
    /// Before the first line.
    #[must_use]
    pub fn first() -> Link {
        Link { next: 0, last: "0".repeat(64) }
    }

    /// The line of `record`, with its line end, and where the chain stands after it.
    #[must_use]
    pub fn line(&self, record: &Record) -> (String, Link) {
        // Every record has a text form; an error here would be a mistake in a derive, and the empty record would then
        // be refused at the next read rather than written as something else.
        let text = serde_json::to_string(record).unwrap_or_default();
        let hash = self.hash(&text);
        let line = format!("{{\"seq\":{},\"prev\":\"{}\",\"hash\":\"{hash}\"{RECORD}{text}}}\n", self.next, self.last);
        (line, Link { next: self.next + 1, last: hash })
    }

    fn hash(&self, text: &str) -> String {
        let digest = Sha256::digest(format!("{}\n{}\n{text}", self.next, self.last).as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a line without its line end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, line: &str) -> Result<(Record, Link), LineError> {
        let (head, rest) = line.split_once(RECORD).ok_or(LineError::Form)?;
        let text = rest.strip_suffix('}').ok_or(LineError::Form)?;
        let head = head.strip_prefix("{\"seq\":").ok_or(LineError::Form)?;
        let (seq, head) = head.split_once(",\"prev\":\"").ok_or(LineError::Form)?;
        let (prev, head) = head.split_once("\",\"hash\":\"").ok_or(LineError::Form)?;
        let hash = head.strip_suffix('"').ok_or(LineError::Form)?;
        if seq != self.next.to_string() {
            return Err(LineError::Sequence { expected: self.next, found: seq.chars().take(20).collect() });
        }
        if prev != self.last {
            return Err(LineError::Chain);
        }
        if hash != self.hash(text) {
            return Err(LineError::Hash);
        }
        let record = serde_json::from_str(text).map_err(|error| LineError::Record(error.to_string()))?;
        Ok((record, Link { next: self.next + 1, last: hash.to_owned() }))
    }
}

/// What a file holds.
pub struct Read {
    /// Whole records, in order.
    pub records: Vec<Record>,
    /// Where the chain stands after them.
    pub link: Link,
    /// Bytes up to the end of the last whole line.
    pub whole: usize,
    /// The first damaged line that is not a torn last one.
    pub damaged: Option<(usize, LineError)>,
}

/// Reads a whole file. A crash can only tear the last line off, and a torn line has no line end; anything else that does
/// not read is damage.
pub fn read_all(bytes: &[u8]) -> Read {
    let mut read = Read { records: Vec::new(), link: Link::first(), whole: 0, damaged: None };
    for (i, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(body) = line.strip_suffix(b"\n") else { return read };
        let result = std::str::from_utf8(body).map_err(|_| LineError::Form).and_then(|text| read.link.read(text));
        match result {
            Ok((record, link)) => {
                read.records.push(record);
                read.link = link;
                read.whole += line.len();
            }
            Err(error) => {
                read.damaged = Some((i + 1, error));
                return read;
            }
        }
    }
    read
}
