"""Promotion: the policy, the decision and the ledger."""
