// Package local keeps rows in files with structure of their own. [SQLite] is a database of many scans, which any program that
// knows SQL compares; [Parquet] is a file of columns for one scan, which DuckDB, BigQuery, Spark and pandas read fast.
// [SQLiteSource] and [ParquetSource] give the rows of one scan back.
//
// Only those who import this package pay for the libraries in it. Formats that are lines of text are package sink's.
package local
