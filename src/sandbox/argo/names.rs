//! Names that Argo computes: node ids and pod names. Pure. Source: NodeID in workflow_types.go and
//! workflow/util/pod_name.go.

/// FNV-1a, 32 bits.
pub fn fnv32a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The id of a node: the workflow's name for the root, otherwise with the hash of the node's name.
pub fn node_id(workflow: &str, node: &str) -> String {
    if node == workflow { workflow.to_owned() } else { format!("{workflow}-{}", fnv32a(node)) }
}

/// The name of a node's pod (format v2).
pub fn pod_name(workflow: &str, node: &str, template: &str) -> String {
    if node == workflow {
        return workflow.to_owned();
    }
    let prefix: String = format!("{workflow}-{template}").chars().take(253 - 10 - 1).collect();
    format!("{prefix}-{}", fnv32a(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_real_controller_computes_them() {
        // Read from workflows of a real controller (3.7.4).
        assert_eq!(node_id("shape-dag-57zpp", "shape-dag-57zpp.publish(0)"), "shape-dag-57zpp-3191035984");
        assert_eq!(node_id("shape-fail-9jkr5", "shape-fail-9jkr5[0]"), "shape-fail-9jkr5-3200535169");
        assert_eq!(node_id("w", "w"), "w");
        assert_eq!(
            pod_name("shape-dag-57zpp", "shape-dag-57zpp.publish(0)", "work"),
            "shape-dag-57zpp-work-3191035984"
        );
    }
}
