package graphqlhttp

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// mediaType is one of the two types an answer may have.
type mediaType string

// The two media types (GraphQL over HTTP, section "Media Types"). The older one answers 200 even where the
// request was refused; with the newer one the status tells.
const (
	mediaJSON    mediaType = "application/json"
	mediaGraphQL mediaType = "application/graphql-response+json"
)

// acceptance is how well a media type suits an Accept header.
type acceptance struct {
	quality     float64 // 0 to 1; 0 refuses
	specificity int     // 0 not named, 1 */*, 2 application/*, 3 by name
	place       int     // in the header, from the left
}

// mediaHTML is what browsers ask for when somebody opens the endpoint.
const mediaHTML mediaType = "text/html"

// maxRanges is the most media ranges of an Accept header that count.
const maxRanges = 100

// contentType is the header's value.
func (t mediaType) contentType() []string { return []string{string(t) + "; charset=utf-8"} }

// mediaRange is one element of an Accept header.
type mediaRange struct {
	name    string
	quality float64
	place   int // in the header, from the left
}

// parseAccept reads the Accept header's lines. What can't be read is left out.
func parseAccept(header string) []mediaRange {
	var ranges []mediaRange
	place := 0
	for item := range strings.SplitSeq(header, ",") {
		if place++; place > maxRanges {
			break
		}
		if name, quality, ok := parseRange(item); ok {
			ranges = append(ranges, mediaRange{name: name, quality: quality, place: place})
		}
	}
	return ranges
}

// negotiate picks the answer's media type from the Accept header's lines (RFC 9110, section 12.5.1). The
// higher quality wins, then the one named more exactly, then the one named first. No header, or nothing but
// wildcards, means application/json, which every client reads. It returns false where neither is acceptable.
func negotiate(accept []string) (mediaType, bool) {
	header := strings.Join(accept, ",")
	switch strings.TrimSpace(header) { // What most clients send needs no reading.
	case "", "*/*", string(mediaJSON):
		return mediaJSON, true
	}
	ranges := parseAccept(header)
	json, graphql := acceptanceOf(mediaJSON, ranges), acceptanceOf(mediaGraphQL, ranges)
	switch {
	case json.quality == 0 && graphql.quality == 0:
		return mediaJSON, false
	case graphql.betterThan(json):
		return mediaGraphQL, true
	default:
		return mediaJSON, true
	}
}

// prefersPage reports whether the header names HTML and likes it better than what a GraphQL server has.
func prefersPage(accept []string) bool {
	ranges := parseAccept(strings.Join(accept, ","))
	page := acceptanceOf(mediaHTML, ranges)
	return page.quality > 0 && page.specificity == byName &&
		page.betterThan(acceptanceOf(mediaJSON, ranges)) && page.betterThan(acceptanceOf(mediaGraphQL, ranges))
}

// betterThan reports whether a should win against b, to which ties go.
func (a acceptance) betterThan(b acceptance) bool {
	switch {
	case a.quality != b.quality:
		return a.quality > b.quality
	case a.specificity != b.specificity:
		return a.specificity > b.specificity
	default:
		return a.place < b.place
	}
}

// acceptanceOf finds the most specific range that covers the type: it alone counts.
func acceptanceOf(t mediaType, ranges []mediaRange) acceptance {
	var best acceptance
	for _, r := range ranges {
		if specificity := covers(r.name, t); specificity > best.specificity {
			best = acceptance{quality: r.quality, specificity: specificity, place: r.place}
		}
	}
	return best
}

// byName is the specificity of a range that is the type itself.
const byName = 3

// covers says how exactly a media range names a type, 0 for not at all.
func covers(mediaRange string, t mediaType) int {
	group, _, _ := strings.Cut(string(t), "/")
	switch mediaRange {
	case string(t):
		return byName
	case group + "/*":
		return 2
	case "*/*":
		return 1
	default:
		return 0
	}
}

// parseRange reads one media range with its quality. Ranges in another charset than UTF-8, and those that
// can't be read, are not ok.
func parseRange(item string) (string, float64, bool) {
	name, params, err := mime.ParseMediaType(item)
	if err != nil || !isUTF8(params["charset"]) {
		return "", 0, false
	}
	q, given := params["q"]
	if !given {
		return name, 1, true
	}
	quality, err := strconv.ParseFloat(q, 64)
	if err != nil || !(quality >= 0 && quality <= 1) {
		return "", 0, false
	}
	return name, quality, true
}

// isUTF8 reports whether a charset parameter is absent or UTF-8.
func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// checkContentType takes application/json in UTF-8 alone. Beyond the specification it keeps forms of
// foreign sites out: browsers send them without asking, but not with this type.
func checkContentType(header http.Header) *requestFault {
	if given := header["Content-Type"]; len(given) == 1 && given[0] == string(mediaJSON) && header["Content-Encoding"] == nil {
		return nil // What most clients send needs no reading.
	}
	name, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || name != string(mediaJSON) || len(header.Values("Content-Type")) > 1 {
		return unsupportedMediaType("The Content-Type must be application/json.")
	}
	if !isUTF8(params["charset"]) {
		return unsupportedMediaType("The charset must be utf-8.")
	}
	for encoding := range strings.SplitSeq(strings.Join(header.Values("Content-Encoding"), ","), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
			return unsupportedEncoding()
		}
	}
	return nil
}
