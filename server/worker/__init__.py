"""What is done after the answer: documents, leases, windows, the ledger's tree."""
