//! Which of the two regions is meant. Exactly two exist, so they are addressed by side and never by an index.

use serde::{Deserialize, Serialize};

/// One of the two configured regions, in the order of the configuration file. A side has no role: which one is primary is
/// observed, never configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The region that the file names first.
    A,
    /// The other one.
    B,
}

impl Side {
    /// Both sides, in drawing order.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    /// The other side.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// A value for each side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSide<T> {
    /// Value of side A.
    pub a: T,
    /// Value of side B.
    pub b: T,
}

impl<T> PerSide<T> {
    /// Makes both values.
    pub fn new(a: T, b: T) -> Self {
        PerSide { a, b }
    }

    /// Value of `side`.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// Value of `side`, to be changed.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Both values with their side.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &T)> {
        [(Side::A, &self.a), (Side::B, &self.b)].into_iter()
    }

    /// The same pair with each value mapped.
    pub fn map<U>(&self, mut f: impl FnMut(Side, &T) -> U) -> PerSide<U> {
        PerSide { a: f(Side::A, &self.a), b: f(Side::B, &self.b) }
    }
}

/// From where to where a failover goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// The region that is left: the observed primary.
    pub from: Side,
    /// The region being activated.
    pub to: Side,
}

impl Direction {
    /// The direction that activates `to`.
    #[must_use]
    pub fn activating(to: Side) -> Direction {
        Direction { from: to.other(), to }
    }
}

/// What a region is, as observed (its database says so), and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Its database is out of recovery, seen just now.
    Primary,
    /// Its database is in recovery, seen just now.
    Standby,
    /// It was primary when last seen.
    WasPrimary,
    /// It was standby when last seen.
    WasStandby,
    /// Never seen.
    Unknown,
}

impl Role {
    /// The word on the screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Primary => "PRIMARY",
            Role::Standby => "STANDBY",
            Role::WasPrimary => "was PRIMARY",
            Role::WasStandby => "was STANDBY",
            Role::Unknown => "role unknown",
        }
    }

    /// Primary, now or when last seen.
    #[must_use]
    pub fn is_primary(self) -> bool {
        matches!(self, Role::Primary | Role::WasPrimary)
    }
}
