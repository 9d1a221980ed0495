# The same failover on real servers: make conformance VARIABLES=my.env [CASES="status plan"]
# What has to stand in the file: tests/conformance/README.md.

.PHONY: conformance
conformance:
	@test -n "$(VARIABLES)" || { echo 'usage: make conformance VARIABLES=FILE [CASES="NAME …"]'; exit 2; }
	LEEWARD_CONFORMANCE="$(abspath $(VARIABLES))" LEEWARD_CASES="$(CASES)" \
		cargo test --test conformance -- --exact conformance --nocapture
