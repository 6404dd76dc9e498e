package service

import (
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// A Kind is a row of the table of modules.
type Kind struct {
	Name string                                            // a user's word for the module
	Args string                                            // its options, for its help; one a line
	New  func(args map[string]string) (grab.Module, error) // makes it; all options that are wrong are named together
}

// Takes says whether the module has an option.
func (k *Kind) Takes(option string) bool {
	return strings.HasPrefix(k.Args, option+"=") || strings.Contains(k.Args, "\n"+option+"=")
}

// Kinds returns the table, in the order of names.
func Kinds() []Kind {
	return []Kind{
		{"amqp", turnArgs(turnNever, turnFirst), newAMQP},
		{autoName, autoArgs, newAuto},
		{"banner", bannerArgs + turnArgs(turnNever, turnFirst), newBanner},
		{"ftp", turnArgs(turnOffered, turnFirst, turnNever), newFTP},
		{"http", httpArgs + turnArgs(turnNever), newHTTP},
		{"https", httpArgs + turnArgs(turnFirst), newHTTPS},
		{"imap", turnArgs(turnOffered, turnFirst, turnNever), newIMAP},
		{"ldap", turnArgs(turnOffered, turnFirst, turnNever), newLDAP},
		{"memcached", turnArgs(turnNever, turnFirst), newMemcached},
		{"mongodb", turnArgs(turnNever, turnFirst), newMongoDB},
		{"mqtt", "version=3.1.1|5   of the protocol\n" + turnArgs(turnNever, turnFirst), newMQTT},
		{"mssql", turnArgs(turnOffered, turnNever), newMSSQL},
		{"mysql", turnArgs(turnOffered, turnNever), newMySQL},
		{"pop3", turnArgs(turnOffered, turnFirst, turnNever), newPOP3},
		{"postgres", turnArgs(turnOffered, turnNever), newPostgres},
		{"rdp", turnArgs(turnOffered, turnNever), newRDP},
		{"redis", turnArgs(turnNever, turnFirst), newRedis},
		{"sip", turnArgs(turnNever, turnFirst), newSIP},
		{"smtp", turnArgs(turnOffered, turnFirst, turnNever), newSMTP},
		{"ssh", sshArgs, newSSH},
		{"telnet", telnetArgs, newTelnet},
		{"tls", tlsArgs, newTLS},
	}
}

// New returns the module of the given name with options.
func New(name string, args map[string]string) (grab.Module, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k.New(args)
		}
		names = append(names, k.Name)
	}
	return nil, fmt.Errorf("no module %q: there are %s", name, strings.Join(names, ", "))
}
