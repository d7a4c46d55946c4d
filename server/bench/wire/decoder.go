package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The message codes of requests that a client sends instead of a StartupMessage, or before it.
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

const (
	// startupHeader and messageHeader are the sizes of what comes before the body: the length, and after the
	// startup the type as well.
	startupHeader = 4
	messageHeader = 1 + 4
	// maxMessage is far more than any message of a client of this project.
	maxMessage = 64 << 20
)

// decoder finds the round trips in the bytes that a client sends on one connection.
type decoder struct {
	record   func(RoundTrip)
	started  bool   // whether the StartupMessage is over
	rest     []byte // the beginning of a message that is not complete
	prepared map[string]string
	portals  map[string]Statement
	trip     RoundTrip
}

func newDecoder(record func(RoundTrip)) *decoder {
	return &decoder{record: record, prepared: map[string]string{}, portals: map[string]Statement{}}
}

// write decodes the messages that data completes.
func (d *decoder) write(data []byte) error {
	d.rest = append(d.rest, data...)
	for {
		header := startupHeader
		if d.started {
			header = messageHeader
		}
		if len(d.rest) < header {
			return nil
		}
		// The length includes itself, but not the type before it.
		length := int(binary.BigEndian.Uint32(d.rest[header-4:])) + header - 4
		if length < header || length > maxMessage {
			return fmt.Errorf("a message of %d bytes", length)
		}
		if len(d.rest) < length {
			return nil
		}
		if err := d.message(d.rest[:length], header); err != nil {
			return err
		}
		d.rest = d.rest[length:]
	}
}

func (d *decoder) message(message []byte, header int) error {
	body := message[header:]
	if !d.started {
		if len(body) < 4 {
			return errors.New("a startup message without a code")
		}
		code := binary.BigEndian.Uint32(body)
		d.started = code != sslRequest && code != gssEncRequest
		return nil
	}
	switch message[0] {
	case 'P':
		return d.parse(body)
	case 'B':
		return d.bind(body)
	case 'E':
		return d.execute(body)
	case 'C':
		return d.closeNamed(body)
	case 'Q':
		return d.query(body)
	case 'S':
		d.end()
	}
	return nil
}

func (d *decoder) parse(body []byte) error {
	var message pgproto3.Parse
	if err := message.Decode(body); err != nil {
		return err
	}
	d.prepared[message.Name] = message.Query
	d.trip.Prepared = append(d.trip.Prepared, message.Query)
	return nil
}

func (d *decoder) bind(body []byte) error {
	var message pgproto3.Bind
	if err := message.Decode(slices.Clone(body)); err != nil { // the values are parts of it
		return err
	}
	formats := make([]int16, len(message.Parameters)) // without codes all values are text
	switch codes := message.ParameterFormatCodes; len(codes) {
	case 0:
	case 1: // for all values
		for i := range formats {
			formats[i] = codes[0]
		}
	default:
		copy(formats, codes)
	}
	d.portals[message.DestinationPortal] = Statement{
		SQL: d.prepared[message.PreparedStatement], Args: message.Parameters, Formats: formats, ResultFormats: message.ResultFormatCodes,
	}
	return nil
}

func (d *decoder) execute(body []byte) error {
	var message pgproto3.Execute
	if err := message.Decode(body); err != nil {
		return err
	}
	d.trip.Statements = append(d.trip.Statements, d.portals[message.Portal])
	return nil
}

func (d *decoder) closeNamed(body []byte) error {
	var message pgproto3.Close
	if err := message.Decode(body); err != nil {
		return err
	}
	if message.ObjectType == 'S' {
		delete(d.prepared, message.Name)
	} else {
		delete(d.portals, message.Name)
	}
	return nil
}

func (d *decoder) query(body []byte) error {
	var message pgproto3.Query
	if err := message.Decode(body); err != nil {
		return err
	}
	d.trip.Statements = append(d.trip.Statements, Statement{SQL: message.String})
	d.end()
	return nil
}

func (d *decoder) end() {
	d.record(d.trip)
	d.trip = RoundTrip{}
}
