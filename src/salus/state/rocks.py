"""
How RocksDB is set: every block checksummed, memory bounded whatever the number of rows.

Block cache and memtables are shared by all column families; together with the heap and the layers
they are what the state costs in memory.
"""

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options

CACHE_BYTES = 128 * 1024 * 1024
"""RocksDB's blocks, filters and indexes in memory, all families together."""

MEMTABLE_BYTES = 64 * 1024 * 1024
"""All families together; a quarter each, since a small table takes a row a third faster."""

WAL_BYTES_MAX = 128 * 1024 * 1024
"""What RocksDB replays at most after an unclean end; about a second."""

OPEN_FILES_MAX = 512
FILTER_BITS = 10
"""Bits a key in the filters: one look in a hundred for an absent key reads a block for nothing."""


def database_options() -> Options:
    """
    Give the options of the whole database.

    After an unclean end it stands at the last batch whose log record is whole.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.create_missing_column_families(create_missing_cfs=True)
    options.set_paranoid_checks(enabled=True)
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_db_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_total_wal_size(WAL_BYTES_MAX)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    return options


def family_options(name: str, cache: Cache) -> Options:
    """Give the options of one column family; `cache`: the one they all share."""
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_bloom_filter(FILTER_BITS, block_based=False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(MEMTABLE_BYTES // 4)
    # Buckets are hashes: nothing to compress.
    hashes_only = name == "buckets"
    options.set_compression_type(
        DBCompressionType.none() if hashes_only else DBCompressionType.lz4()
    )
    return options
