// Package cli is the command line: commands, flags, help, log, status line, files and exit codes. It turns what a user
// typed into a [zmap.Config], and what a scan came to into lines, files and an exit code.
//
// What is printed where: results go to the output file or standard output, and nothing else does; everything else goes to
// standard error, an error as one line that begins with the program's name, several mistakes as a line each. Errors name
// options, files and lines as the user typed them. Nothing that a mistake could cost is touched before the scan begins.
package cli
