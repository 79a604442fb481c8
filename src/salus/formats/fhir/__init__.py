"""
FHIR R4 4.0.1 JSON, pure: bytes in, checked resources out.

Read in this order: `bundle` (what a sender hands over), `codec` (bytes to values), `walker`
(values against R4's tables), `placement` (which of the patient's compartments), `outcome`
(what the sender is told).
"""
