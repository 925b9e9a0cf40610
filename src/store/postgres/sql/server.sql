SELECT current_setting('server_version_num')::bigint AS version_number, current_setting('server_version') AS version,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS server_encoding,
       current_setting('transaction_read_only') AS transaction_read_only
