//! The playbooks that come with the product, embedded from the files beside this one.

use super::file::{Playbook, read};
use crate::domain::problem::Problem;

const FILES: [(&str, &str); 2] =
    [("failover.toml", include_str!("builtin/failover.toml")), ("fence.toml", include_str!("builtin/fence.toml"))];

/// All of them. An error would be a mistake in the product; a test reads each.
///
/// # Errors
/// The first problem in an embedded file.
pub fn builtin() -> Result<Vec<Playbook>, Problem> {
    FILES.iter().map(|(name, text)| read(name, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_playbook_reads() {
        let all = builtin().unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(all.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["failover", "fence"]);
    }

    #[test]
    fn in_the_failover_the_old_side_is_fenced_before_the_new_one_is_promoted() {
        let failover = builtin().unwrap().remove(0);
        let at = |id: &str| failover.steps.iter().position(|s| s.id == id).unwrap_or_else(|| panic!("no step {id}"));
        let order = [
            "declare",
            "preflight",
            "suspend-crons",
            "fence-controllers",
            "inventory",
            "fence-database",
            "catch-up",
            "promote",
            "start-controllers",
            "canary",
            "switch-dns",
            "activate-crons",
            "notify",
            "report",
        ];
        for pair in order.windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{} must come before {}", pair[0], pair[1]);
        }
        let promote = &failover.steps[at("promote")];
        for gate in
            crate::gates::TABLE.iter().filter(|g| g.readiness && g.override_by == crate::gates::OverrideBy::Nobody)
        {
            // Every step asks that one, whatever its file says.
            let always = gate.id == crate::gates::RIGHT_SERVERS;
            assert!(always || promote.gates.iter().any(|g| g == gate.id), "promote does not ask {}", gate.id);
        }
    }
}
