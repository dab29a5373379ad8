-- A payment that was held, and that somebody has refunded or settled at the processor.
ALTER TABLE public.platform_payment
    DROP CONSTRAINT platform_payment_status_check,
    ADD CONSTRAINT platform_payment_status_check
        CHECK (status IN ('begun', 'paid', 'failed', 'held', 'settled'));
