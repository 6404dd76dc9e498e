package service

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// mongodbModule is the module mongodb. It says isMaster, with which every client begins, and asks for buildInfo, which servers tell
// anybody, as a rule. It does not ask for names of databases, though many servers would tell them.
type mongodbModule struct{ turn }

// newMongoDB returns the module mongodb.
func newMongoDB(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnNever, turnFirst)
	return &mongodbModule{t}, err
}

// A MongoDBResult is what a server of MongoDB says of itself, with the keys of zgrab2's module mongodb.
type MongoDBResult struct {
	IsMaster  *MongoDBIsMaster  `json:"is_master,omitempty"`  // the answer to isMaster
	BuildInfo *MongoDBBuildInfo `json:"build_info,omitempty"` // the answer to buildInfo; nil if it is not told
	turned
}

// A MongoDBIsMaster is the answer to isMaster.
type MongoDBIsMaster struct {
	IsMaster                     bool   `json:"is_master"`                                 // it takes writes
	MaxWireVersion               int32  `json:"max_wire_version,omitempty"`                // of the protocol, which tells the server's version
	MinWireVersion               int32  `json:"min_wire_version,omitempty"`                // of the protocol
	MaxBsonObjectSize            int32  `json:"max_bson_object_size,omitempty"`            // in bytes
	MaxWriteBatchSize            int32  `json:"max_write_batch_size,omitempty"`            // in operations
	LogicalSessionTimeoutMinutes int32  `json:"logical_session_timeout_minutes,omitempty"` // after which sessions end
	MaxMessageSizeBytes          int32  `json:"max_message_size_bytes,omitempty"`          // of the protocol
	ReadOnly                     bool   `json:"read_only"`                                 // it takes no writes from anybody
	SetName                      string `json:"set_name,omitempty"`                        // of the replica set that it is part of
	Msg                          string `json:"msg,omitempty"`                             // "isdbgrid" of routers
}

// A MongoDBBuildInfo is the answer to buildInfo.
type MongoDBBuildInfo struct {
	Version           string                  `json:"version,omitempty"`              // of the server
	GitVersion        string                  `json:"git_version,omitempty"`          // commit that it was built from
	SysInfo           string                  `json:"sys_info,omitempty"`             // of old servers
	LoaderFlags       string                  `json:"loader_flags,omitempty"`         // of old servers
	CompilerFlags     string                  `json:"compiler_flags,omitempty"`       // of old servers
	Allocator         string                  `json:"allocator,omitempty"`            // of memory
	Debug             bool                    `json:"debug,omitempty"`                // a build for its developers
	Bits              int32                   `json:"bits,omitempty"`                 // of its processor
	MaxBsonObjectSize int32                   `json:"max_bson_object_size,omitempty"` // in bytes
	JavascriptEngine  string                  `json:"javascript_engine,omitempty"`    // its name
	StorageEngines    []string                `json:"storage_engines,omitempty"`      // their names
	BuildEnvironment  MongoDBBuildEnvironment `json:"build_environment,omitzero"`     // where it was built
}

// A MongoDBBuildEnvironment says how a server was built.
type MongoDBBuildEnvironment struct {
	Distmod    string `json:"dist_mod,omitempty"`    // distribution
	Distarch   string `json:"dist_arch,omitempty"`   // its architecture
	CC         string `json:"cc,omitempty"`          // C compiler
	CCFlags    string `json:"cc_flags,omitempty"`    // its flags
	CXX        string `json:"cxx,omitempty"`         // C++ compiler
	CXXFlags   string `json:"cxx_flags,omitempty"`   // its flags
	LinkFlags  string `json:"link_flags,omitempty"`  // the linker's flags
	TargetArch string `json:"target_arch,omitempty"` // processor
	TargetOS   string `json:"target_os,omitempty"`   // system
}

// Operations (MongoDB's manual, "Wire Protocol").
const (
	mongoReply = 1
	mongoQuery = 2004 // which isMaster may be in for ever, and all else up to MongoDB 5.0
	mongoMsg   = 2013 // from wire version 6 on, MongoDB 3.6
)

// maxMongo bounds an answer: those to isMaster and buildInfo are two kilobytes as a rule.
const maxMongo = 32 << 10

// Describe returns the module's constants.
func (*mongodbModule) Describe() grab.Description {
	return grab.Description{Name: "mongodb", Doc: "version and build of MongoDB", Port: 27017}
}

// Grab says isMaster and asks for buildInfo.
func (m *mongodbModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	t, conn, err := m.first(ctx, s, s.Conn)
	if err != nil {
		return &MongoDBResult{turned: turned{t}}, err
	}
	if t != nil {
		defer func() { _ = conn.Close() }()
	}
	r := &MongoDBResult{turned: turned{t}}
	d, err := askMongo(conn, mongoQuery, "isMaster")
	if err != nil {
		if t == nil {
			return nil, orDone(ctx, err)
		}
		return r, orDone(ctx, err)
	}
	r.IsMaster = d.isMaster()
	op := uint32(mongoQuery)
	if r.IsMaster.MaxWireVersion >= 6 {
		op = mongoMsg
	}
	if d, err = askMongo(conn, op, "buildInfo"); err != nil {
		return r, orDone(ctx, err)
	}
	if d.text("version") != "" { // else it is an error: some want a login first
		r.BuildInfo = d.buildInfo()
	}
	return r, nil
}

// askMongo sends one command without arguments to the database admin, and returns the answer.
func askMongo(conn net.Conn, op uint32, command string) (bsonDoc, error) {
	if _, err := conn.Write(mongoCommand(op, command)); err != nil {
		return nil, fmt.Errorf("send %s: %w", command, err)
	}
	b, err := readMongo(conn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return decodeMongo(b)
}

// mongoCommand is the message {command: 1}.
func mongoCommand(op uint32, command string) []byte {
	doc := append([]byte{0, 0, 0, 0, 16}, command...)
	doc = append(doc, 0, 1, 0, 0, 0)
	if op == mongoMsg { // the database stands in the document
		doc = append(doc, "\x02$db\x00\x06\x00\x00\x00admin\x00"...)
	}
	doc = append(doc, 0)
	binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
	b := make([]byte, 20) // header, and no flags
	if op == mongoMsg {
		b = append(b, 0) // one document follows
	} else {
		b = append(b, "admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff"...) // skip none, return one
	}
	b = append(b, doc...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	b[4] = 1 // number of the request
	binary.LittleEndian.PutUint32(b[12:], op)
	return b
}

// readMongo reads one message.
func readMongo(r io.Reader) ([]byte, error) {
	return readFramed(r, 16, maxMongo, func(h []byte) int {
		if op := binary.LittleEndian.Uint32(h[12:]); op != mongoReply && op != mongoMsg {
			return -1
		}
		return int(min(binary.LittleEndian.Uint32(h), maxMongo+17)) - 16
	})
}

// decodeMongo reads the document of an answer.
func decodeMongo(b []byte) (bsonDoc, error) {
	c := &cursor{rest: b}
	c.take(12)
	if c.little(4) == mongoReply {
		c.take(20) // flags, cursor, place, number
	} else {
		c.take(4)
		if kind := c.big(1); kind != 0 {
			return nil, fmt.Errorf("section of kind %d: %w", kind, grab.ErrProtocol)
		}
	}
	if err := c.err("answer"); err != nil {
		return nil, err
	}
	return parseBSON(c.rest)
}

func (d bsonDoc) isMaster() *MongoDBIsMaster {
	return &MongoDBIsMaster{
		IsMaster: d.flag("ismaster"), MaxWireVersion: int32(d.number("maxWireVersion")), MinWireVersion: int32(d.number("minWireVersion")),
		MaxBsonObjectSize: int32(d.number("maxBsonObjectSize")), MaxWriteBatchSize: int32(d.number("maxWriteBatchSize")),
		LogicalSessionTimeoutMinutes: int32(d.number("logicalSessionTimeoutMinutes")),
		MaxMessageSizeBytes:          int32(d.number("maxMessageSizeBytes")), ReadOnly: d.flag("readOnly"),
		SetName: d.text("setName"), Msg: d.text("msg"),
	}
}

func (d bsonDoc) buildInfo() *MongoDBBuildInfo {
	e, _ := d["buildEnvironment"].(bsonDoc)
	return &MongoDBBuildInfo{
		Version: d.text("version"), GitVersion: d.text("gitVersion"), SysInfo: d.text("sysInfo"), LoaderFlags: d.text("loaderFlags"),
		CompilerFlags: d.text("compilerFlags"), Allocator: d.text("allocator"), Debug: d.flag("debug"), Bits: int32(d.number("bits")),
		MaxBsonObjectSize: int32(d.number("maxBsonObjectSize")), JavascriptEngine: d.text("javascriptEngine"),
		StorageEngines: d.texts("storageEngines"),
		BuildEnvironment: MongoDBBuildEnvironment{
			e.text("distmod"), e.text("distarch"), e.text("cc"), e.text("ccflags"), e.text("cxx"), e.text("cxxflags"), e.text("linkflags"),
			e.text("target_arch"), e.text("target_os"),
		},
	}
}
