// Package service has the protocols that a grab can speak, one a file, and the one table of them.
package service
