-- Files of imports go by the provider's rules of retention, with everything else that has its time.
DELETE FROM public.job WHERE kind = 'forget_import_file';
