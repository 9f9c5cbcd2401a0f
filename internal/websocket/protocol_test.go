package websocket

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// exchange is what a client sends and what it gets, as in the test suite of Autobahn. The server closes the connection at the
// end with the last frame; the client has closed it if the input doesn't break the protocol.
type exchange struct {
	name string
	in   []byte
	want []outFrame
	// chopped is whether the input is also sent byte by byte.
	chopped bool
}

func broken(status Status) outFrame { return outFrame{closing, closePayload(status, "")} }

var (
	goodbye = in(fin|closing, closePayload(StatusNormal, ""))   //nolint:gochecknoglobals // A constant, if Go had constant slices.
	bye     = outFrame{closing, closePayload(StatusNormal, "")} //nolint:gochecknoglobals // As above.
)

// good is an exchange that ends with the client's close frame.
func good(name string, input []byte, want ...outFrame) exchange {
	return exchange{name, join(input, goodbye), append(want, bye), len(input) < 1000}
}

// bad is an exchange that the server ends. What follows in the input is ignored.
func bad(name string, status Status, input []byte, want ...outFrame) exchange {
	return exchange{name, join(input, in(fin|text, "ignored"), in(fin|ping, "")), append(want, broken(status)), len(input) < 1000}
}

func echoed(message string) outFrame { return outFrame{text, message} }

// exchanges are the cases of Autobahn's sections 1 to 7 and 10, written from RFC 6455.
func exchanges() []exchange {
	return slices.Concat(messages(), pings(), reserved(), fragments(), texts(), closes())
}

// messages are section 1, and 10.
func messages() []exchange {
	var all []exchange
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		message := strings.Repeat("*", n)
		all = append(all, good(fmt.Sprintf("1.1 %d bytes", n), in(fin|text, message), echoed(message)))
	}
	long := strings.Repeat("*", 65536)
	var fragmented []byte
	for i := 0; i < len(long); i += 1300 {
		first := continuation
		if i == 0 {
			first = text
		}
		if i+1300 >= len(long) {
			first |= fin
		}
		fragmented = append(fragmented, in(first, long[i:min(i+1300, len(long))])...)
	}
	return append(all,
		bad("1.2 binary", StatusUnsupported, in(fin|binaryData, "\x00\xff")),
		bad("1.2 binary fragment", StatusUnsupported, in(binaryData, "x")),
		good("10.1 fragments of 1300 bytes", fragmented, echoed(long)),
		bad("too long", StatusTooBig, join(in(fin|text, "ok"), in(fin|text, strings.Repeat("*", maxMessage+1))[:20]), echoed("ok")),
		bad("too long in fragments", StatusTooBig, join(in(text, strings.Repeat("*", 100)), in(fin|continuation, strings.Repeat("*", maxMessage-99))[:20])),
		bad("a negative length", StatusProtocolError, []byte{fin | text, 0x80 | 127, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}),
		bad("2^63-1 bytes", StatusTooBig, []byte{fin | text, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}),
		bad("too much at once", StatusTryLater, in(fin|text, strings.Repeat("*", maxMessage))),
		bad("not masked", StatusProtocolError, []byte{fin | text, 2, 'h', 'i'}),
	)
}

// pings are section 2.
func pings() []exchange {
	long := strings.Repeat("\xfe", 125)
	var ten []byte
	var answers []outFrame
	for i := range 10 {
		ten = append(ten, in(fin|ping, fmt.Sprint(i))...)
		answers = append(answers, outFrame{pong, fmt.Sprint(i)})
	}
	return []exchange{
		good("2.1 empty ping", in(fin|ping, ""), outFrame{pong, ""}),
		good("2.2 ping", in(fin|ping, "Hello, world!"), outFrame{pong, "Hello, world!"}),
		good("2.3 binary ping", in(fin|ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), outFrame{pong, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}),
		good("2.4 longest ping", in(fin|ping, long), outFrame{pong, long}),
		bad("2.5 too long a ping", StatusProtocolError, in(fin|ping, long+"x")),
		good("2.7 unsolicited pong", in(fin|pong, "")),
		good("2.8 unsolicited pong with a payload", in(fin|pong, "payload")),
		good("2.9 pong and ping", join(in(fin|pong, "payload"), in(fin|ping, "ping")), outFrame{pong, "ping"}),
		good("2.10 ten pings", ten, answers...),
	}
}

// reserved are sections 3 and 4.
func reserved() []exchange {
	var all []exchange
	hello := in(fin|text, "small text")
	for bits := 1; bits <= 7; bits++ {
		all = append(all,
			bad(fmt.Sprintf("3 bits %d", bits), StatusProtocolError, in(fin|bits<<4|text, "x")),
			bad(fmt.Sprintf("3 bits %d after a message", bits), StatusProtocolError, join(hello, in(fin|bits<<4|text, "x")), echoed("small text")),
			bad(fmt.Sprintf("3 bits %d of a ping", bits), StatusProtocolError, in(fin|bits<<4|ping, "x")),
			bad(fmt.Sprintf("3 bits %d of a close", bits), StatusProtocolError, in(fin|bits<<4|closing, closePayload(1000, ""))),
		)
	}
	for _, op := range []int{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all = append(all,
			bad(fmt.Sprintf("4 opcode %d", op), StatusProtocolError, in(fin|op, "")),
			bad(fmt.Sprintf("4 opcode %d after a message", op), StatusProtocolError, join(hello, in(fin|op, "x"), in(fin|ping, "")), echoed("small text")),
		)
	}
	return all
}

// fragments are section 5.
func fragments() []exchange {
	return []exchange{
		bad("5.1 ping in fragments", StatusProtocolError, join(in(ping, "frag"), in(fin|continuation, "ment"))),
		bad("5.2 pong in fragments", StatusProtocolError, join(in(pong, "frag"), in(fin|continuation, "ment"))),
		good("5.3 text in fragments", join(in(text, "fragment1"), in(fin|continuation, "fragment2")), echoed("fragment1fragment2")),
		good("5.6 with a ping between", join(in(text, "fragment1"), in(fin|ping, "ping"), in(fin|continuation, "fragment2")),
			outFrame{pong, "ping"}, echoed("fragment1fragment2")),
		bad("5.9 continuation of nothing", StatusProtocolError, join(in(fin|continuation, "x"), in(fin|text, "Hello"))),
		bad("5.11 continuation of nothing in fragments", StatusProtocolError, in(continuation, "x")),
		bad("5.13 continuation after a message", StatusProtocolError, join(in(fin|text, "m"), in(fin|continuation, "x")), echoed("m")),
		bad("5.15 continuation of a message that has ended", StatusProtocolError,
			join(in(text, "1"), in(fin|continuation, "2"), in(continuation, "3"), in(fin|text, "4")), echoed("12")),
		bad("5.18 a message within another", StatusProtocolError, join(in(text, "fragment1"), in(fin|text, "fragment2"))),
		good("5.19 pings between five fragments", join(in(text, "fragment1"), in(continuation, "fragment2"), in(fin|ping, "pongme 1"),
			in(continuation, "fragment3"), in(fin|ping, "pongme 2"), in(continuation, ""), in(fin|continuation, "fragment5")),
			outFrame{pong, "pongme 1"}, outFrame{pong, "pongme 2"}, echoed("fragment1fragment2fragment3fragment5")),
		good("an empty message in fragments", join(in(text, ""), in(continuation, ""), in(fin|continuation, "")), echoed("")),
	}
}

// texts are section 6.
func texts() []exchange {
	var all []exchange
	valid := []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "\x00", "κόσμε", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\ufffd", "\ufffe",
		"\U00010000", "\U0010ffff", "\U0001fffe\U0001ffff",
	}
	for _, message := range valid {
		var bytewise []byte
		for i := range len(message) {
			first := continuation
			if i == 0 {
				first = text
			}
			bytewise = append(bytewise, in(first, message[i:i+1])...)
		}
		all = append(all,
			good(fmt.Sprintf("6 %+q", message), in(fin|text, message), echoed(message)),
			good(fmt.Sprintf("6 %+q in fragments", message), join(bytewise, in(fin|continuation, "")), echoed(message)))
	}
	invalid := []string{
		"κόσμε\xed\xa0\x80edited", "\xf4\x90\x80\x80", "\x80", "\xbf", "\x80\xbf\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc1\xbf",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xfe", "\xff", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xc0 ",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65", "ok\xc3", "ok\xe2\x82", "ok\xf0\x9f\x98",
	}
	for _, message := range invalid {
		all = append(all, bad(fmt.Sprintf("6 %+q", message), StatusInvalidText, in(fin|text, message)))
	}
	return append(all,
		// The server does not wait for the rest of what can't become valid.
		bad("6.4 invalid in the first fragment", StatusInvalidText, in(text, "κόσμε\xf4\x90")),
		bad("6.4 invalid in the second fragment", StatusInvalidText, join(in(text, "κόσμε\xf4"), in(continuation, "\x90"))),
		bad("6.4 invalid within a frame", StatusInvalidText, in(fin|text, "\xff"+strings.Repeat("x", 20_000))[:8_000]),
		bad("6 half a character at the end", StatusInvalidText, join(in(text, "ab\xe2"), in(fin|continuation, "\x82"))),
	)
}

// closes are section 7.
func closes() []exchange {
	one := func(name, payload string, want outFrame) exchange {
		return exchange{name, in(fin|closing, payload), []outFrame{want}, true}
	}
	all := []exchange{
		good("7.1.1 message and close", in(fin|text, "Hello World!"), echoed("Hello World!")),
		{"7.1.2 two closes", join(goodbye, goodbye), []outFrame{bye}, true},
		{"7.1.3 ping after close", join(goodbye, in(fin|ping, "")), []outFrame{bye}, true},
		{"7.1.4 message after close", join(goodbye, in(fin|text, "Hello")), []outFrame{bye}, true},
		{"7.1.5 close within a message", join(in(text, "fragment1"), goodbye, in(fin|continuation, "fragment2")), []outFrame{bye}, true},
		good("7.1.6 a long message and close", in(fin|text, strings.Repeat("BAsd7&jh23", 26_000)), echoed(strings.Repeat("BAsd7&jh23", 26_000))),
		one("7.3.1 no payload", "", outFrame{closing, ""}),
		one("7.3.2 one byte", "a", broken(StatusProtocolError)),
		one("7.3.4 with a reason", closePayload(1000, "Hello World!"), bye),
		one("7.3.5 longest reason", closePayload(1000, strings.Repeat("*", 123)), bye),
		one("7.3.6 too long a reason", closePayload(1000, strings.Repeat("*", 124)), broken(StatusProtocolError)),
		one("7.5.1 invalid reason", closePayload(1000, "\xce\xba\xed\xa0\x80"), broken(StatusInvalidText)),
	}
	for _, status := range []Status{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all, one(fmt.Sprintf("7.7 status %d", status), closePayload(status, ""), broken(status)))
	}
	for _, status := range []Status{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, one(fmt.Sprintf("7.9 status %d", status), closePayload(status, ""), broken(StatusProtocolError)))
	}
	return all
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, e := range exchanges() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.play(t, s, func(w io.Writer) error {
				_, err := w.Write(e.in)
				return err
			})
			if !e.chopped {
				return
			}
			e.play(t, s, func(w io.Writer) error {
				for i := range e.in {
					if _, err := w.Write(e.in[i : i+1]); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// play sends the input and compares the output, up to the end of the connection.
func (e exchange) play(t *testing.T, s *server, send func(io.Writer) error) {
	t.Helper()
	conn, r := dial(t, s, nil)
	sent := make(chan error, 1)
	go func() { sent <- send(conn) }()
	var got []outFrame
	for {
		f, err := readFrame(t, r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if last := got[len(got)-1]; len(e.want) == len(got) && last.op == closing && len(last.payload) > 2 {
		got[len(got)-1].payload = last.payload[:2] // The reason is for people.
	}
	if !slices.Equal(got, e.want) {
		t.Errorf("got %.300q, want %.300q", fmt.Sprint(got), fmt.Sprint(e.want))
	}
	if err := <-sent; err != nil {
		t.Errorf("sending: %v", err)
	}
}
