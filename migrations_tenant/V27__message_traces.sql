-- The trace of the request that asked for a message: `traceparent` of W3C Trace Context. Only where traces are collected; NULL else.
ALTER TABLE message ADD COLUMN traceparent text CHECK (length(traceparent) = 55);
