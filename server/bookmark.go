package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// BookmarkLifetime is how long a client keeps a bookmark. No replica in use lags longer, so afterwards every replica
// has the client's writes.
const BookmarkLifetime = time.Minute

// MaxReplicaLag is the greatest lag that a replica in use may have. Until the watch leaves out one that lags more, it
// may take two checks of 2 s and the half second between them. With these, it stays within BookmarkLifetime.
const MaxReplicaLag = BookmarkLifetime - 10*time.Second

const (
	// bookmarkCookie is the name of the cookie. Clients that keep cookies need no code of their own for it. The
	// contract documents it in responses only. It decides which server a read uses, not what the response means.
	bookmarkCookie = "pagila_bookmark"
	// bookmarkSize is the size of a bookmark in bytes: the timeline, the position, and when it expires.
	bookmarkSize = 4 + 8 + 8
	// bookmarkMAC is the size of its authentication code. With it, the text of a cookie has no bits to spare.
	bookmarkMAC = 20
)

// bookmarkText keeps the order of what it encodes, so that clients can compare cookies as strings.
var bookmarkText = base32.HexEncoding.WithPadding(base32.NoPadding)

// bookmarks signs the bookmarks of the store that clients keep, so that nobody can make up one that sends all reads
// to the primary. All instances of the server share the key, because it is derived from the bearer token.
type bookmarks struct{ key []byte }

func newBookmarks(token string) *bookmarks {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("pagila-api bookmark"))
	return &bookmarks{mac.Sum(nil)}
}

// encode returns the value of the cookie. That of a later position is greater.
func (b *bookmarks) encode(mark store.Bookmark, expires time.Time) string {
	value := binary.BigEndian.AppendUint32(make([]byte, 0, bookmarkSize+bookmarkMAC), mark.Timeline)
	value = binary.BigEndian.AppendUint64(value, mark.LSN)
	value = binary.BigEndian.AppendUint64(value, uint64(expires.Unix())) //nolint:gosec // it is after 1970
	return bookmarkText.EncodeToString(append(value, b.mac(value)...))
}

func (b *bookmarks) mac(value []byte) []byte {
	mac := hmac.New(sha256.New, b.key)
	mac.Write(value)
	return mac.Sum(nil)[:bookmarkMAC]
}

// decode returns the bookmark in the value of a cookie, or the zero Bookmark if it has expired or was not signed with
// this key.
func (b *bookmarks) decode(cookie string, now time.Time) store.Bookmark {
	raw, err := bookmarkText.DecodeString(cookie)
	if err != nil || len(raw) != bookmarkSize+bookmarkMAC {
		return store.Bookmark{}
	}
	value, mac := raw[:bookmarkSize], raw[bookmarkSize:]
	expires := int64(binary.BigEndian.Uint64(value[12:])) //nolint:gosec // encode has written it
	if !hmac.Equal(mac, b.mac(value)) || now.Unix() > expires {
		return store.Bookmark{}
	}
	return store.Bookmark{Timeline: binary.BigEndian.Uint32(value), LSN: binary.BigEndian.Uint64(value[4:])}
}

// of returns the bookmark of a request.
func (b *bookmarks) of(r *http.Request) store.Bookmark {
	cookie, err := r.Cookie(bookmarkCookie)
	if err != nil {
		return store.Bookmark{}
	}
	return b.decode(cookie.Value, time.Now())
}

// set sends the client a bookmark. It grants no access, so a page of another site gains nothing from it.
func (b *bookmarks) set(w http.ResponseWriter, mark store.Bookmark) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // it is not a secret, so it may travel without TLS
		Name: bookmarkCookie, Value: b.encode(mark, time.Now().Add(BookmarkLifetime)), Path: "/",
		MaxAge: int(BookmarkLifetime.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// follow lets a client read its own writes from replicas: it gives the store the bookmark of the request, and the
// client the bookmark of its write. The call of a tool has the bookmark of the request that it belongs to.
func (s *Server) follow(handle gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		ctx := c.Request.Context()
		if store.BookmarkOf(ctx) != nil {
			return handle(c, request)
		}
		mark := s.bookmarks.of(c.Request)
		before := mark
		c.Request = c.Request.WithContext(store.WithBookmark(ctx, &mark))
		response, err := handle(c, request)
		if mark != before || mark == store.Newest && mayWrite(c.Request) {
			s.bookmarks.set(c.Writer, mark)
		}
		return response, err
	}
}

// mayWrite reports whether a request may write. Its write may leave the bookmark at store.Newest, and the client then
// needs a cookie that expires later.
func mayWrite(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
