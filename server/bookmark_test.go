package server

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/store"
)

// A bookmark that this server has not signed, or that has expired, is ignored.
func TestBookmarks(t *testing.T) {
	t.Parallel()
	signer, now := newBookmarks("a token"), time.Now()
	mark := store.Bookmark{Timeline: 3, LSN: 0x1234_5678_9ABC_DEF0}
	cookie := signer.encode(mark, now.Add(BookmarkLifetime))
	if got := newBookmarks("a token").decode(cookie, now); got != mark {
		t.Errorf("another instance reads %+v, want %+v", got, mark)
	}
	if got := signer.decode(cookie, now.Add(BookmarkLifetime+2*time.Second)); got != (store.Bookmark{}) {
		t.Errorf("it has expired: %+v", got)
	}
	if got := newBookmarks("another token").decode(cookie, now); got != (store.Bookmark{}) {
		t.Errorf("the signature of another server: %+v", got)
	}
	for i := range cookie {
		changed := []byte(cookie)
		changed[i] = 'A' + ('B' - changed[i]&1) - 'A' // another letter
		if string(changed) != cookie && signer.decode(string(changed), now) != (store.Bookmark{}) {
			t.Errorf("accepted with another letter at %d", i)
		}
	}
	for _, bad := range []string{"", "x", "!", cookie + "AAAA", cookie[:10]} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/films", nil)
		r.AddCookie(&http.Cookie{Name: bookmarkCookie, Value: bad})
		if got := signer.of(r); got != (store.Bookmark{}) {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// A client that gets several cookies can tell which is the latest.
func TestBookmarkOrder(t *testing.T) {
	t.Parallel()
	signer, now := newBookmarks("a token"), time.Now()
	var cookies []string
	for i, mark := range []store.Bookmark{{Timeline: 1, LSN: 7}, {Timeline: 1, LSN: 0xFF}, {Timeline: 1, LSN: 1 << 63}, {Timeline: 2, LSN: 5}, store.Newest} {
		cookies = append(cookies, signer.encode(mark, now.Add(time.Duration(-i)*time.Second)))
	}
	cookies = append(cookies, signer.encode(store.Newest, now))
	if !slices.IsSorted(cookies) {
		t.Errorf("not in the order of their positions: %q", cookies)
	}
}

// A write whose position is not known renews a cookie that already stands for the newest state. A read does not.
func TestFollowRenewsBookmark(t *testing.T) {
	t.Parallel()
	s := &Server{bookmarks: newBookmarks("a token")}
	for method, renews := range map[string]bool{http.MethodPost: true, http.MethodPatch: true, http.MethodGet: false, http.MethodHead: false} {
		w := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(w)
		c.Request = httptest.NewRequestWithContext(t.Context(), method, "/films", nil)
		c.Request.AddCookie(&http.Cookie{Name: bookmarkCookie, Value: s.bookmarks.encode(store.Newest, time.Now().Add(time.Second))})
		_, err := s.follow(func(c *gin.Context, _ any) (any, error) {
			if b := store.BookmarkOf(c.Request.Context()); b == nil || *b != store.Newest {
				t.Errorf("%s: the call has the bookmark %v", method, b)
			}
			return struct{}{}, nil
		}, "")(c, struct{}{})
		if cookie := w.Header().Get("Set-Cookie"); err != nil || (cookie != "") != renews {
			t.Errorf("%s: the response has the cookie %q, %v", method, cookie, err)
		}
	}
}
