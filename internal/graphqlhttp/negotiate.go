package graphqlhttp

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// mediaType is one of the two media types of responses.
type mediaType string

// The two media types (GraphQL over HTTP, section "Media Types"). With the older one the status is 200 even if the operation
// was refused; with the newer one it tells.
const (
	mediaJSON    mediaType = "application/json"
	mediaGraphQL mediaType = "application/graphql-response+json"
)

// acceptance is how well a media type suits an Accept header.
type acceptance struct {
	quality     float64 // 0 to 1; 0 refuses
	specificity int     // 0 not named, 1 */*, 2 application/*, 3 by name
	position    int     // in the header, from the left
}

// mediaHTML is what browsers accept when somebody opens the endpoint.
const mediaHTML mediaType = "text/html"

// maxRanges is how many media ranges of an Accept header are read.
const maxRanges = 100

// The values of Content-Type, which are shared like noStore.
var (
	contentTypeJSON    = []string{string(mediaJSON) + "; charset=utf-8"}    //nolint:gochecknoglobals // A constant, if Go had constant slices.
	contentTypeGraphQL = []string{string(mediaGraphQL) + "; charset=utf-8"} //nolint:gochecknoglobals // A constant, if Go had constant slices.
)

// contentType returns the values of the header Content-Type.
func (t mediaType) contentType() []string {
	if t == mediaGraphQL {
		return contentTypeGraphQL
	}
	return contentTypeJSON
}

// mediaRange is one element of an Accept header.
type mediaRange struct {
	name     string
	quality  float64
	position int // in the header, from the left
}

// parseAccept parses an Accept header. Ranges that can't be parsed are left out.
func parseAccept(header string) []mediaRange {
	var ranges []mediaRange
	position := 0
	for item := range strings.SplitSeq(header, ",") {
		if position++; position > maxRanges {
			break
		}
		if name, quality, ok := parseRange(item); ok {
			ranges = append(ranges, mediaRange{name: name, quality: quality, position: position})
		}
	}
	return ranges
}

// negotiate returns the response's media type for the lines of an Accept header (RFC 9110, section 12.5.1): the one with the
// higher quality, then the one named more specifically, then the one named first. Without the header, or with wildcards
// only, it is application/json, which every client understands. It returns false if neither is acceptable.
func negotiate(accept []string) (mediaType, bool) {
	header := strings.Join(accept, ",")
	switch strings.TrimSpace(header) { // What most clients send needs no parsing.
	case "", "*/*", string(mediaJSON):
		return mediaJSON, true
	case string(mediaGraphQL):
		return mediaGraphQL, true
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

// acceptedFormat returns the form of streams that an Accept header names, the one with the higher quality, then the first one.
// It returns nil if the header names none. Wildcards don't count: clients that can't read streams send them too.
func acceptedFormat(accept []string) *eventFormat {
	var best *eventFormat
	bestQuality, position := 0.0, 0
	for _, line := range accept {
		if !strings.Contains(line, mediaEventStream) && !strings.Contains(line, mediaMultipart) {
			continue // What most clients send needs no parsing.
		}
		for item := range strings.SplitSeq(line, ",") {
			if position++; position > maxRanges {
				break
			}
			name, quality, ok := parseRange(item)
			if !ok || quality <= bestQuality {
				continue
			}
			switch {
			case name == mediaEventStream:
				best, bestQuality = &sseFormat, quality
			case name == mediaMultipart && namesSubscriptionSpec(item):
				best, bestQuality = &multipartFormat, quality
			}
		}
	}
	return best
}

// namesSubscriptionSpec reports whether a media range names the version of Apollo's protocol for subscriptions.
func namesSubscriptionSpec(item string) bool {
	_, params, err := mime.ParseMediaType(item)
	return err == nil && params["subscriptionspec"] == subscriptionSpec
}

// prefersPage reports whether an Accept header names HTML and prefers it to both media types of responses.
func prefersPage(accept []string) bool {
	ranges := parseAccept(strings.Join(accept, ","))
	page := acceptanceOf(mediaHTML, ranges)
	return page.quality > 0 && page.specificity == byName &&
		page.betterThan(acceptanceOf(mediaJSON, ranges)) && page.betterThan(acceptanceOf(mediaGraphQL, ranges))
}

// betterThan reports whether a is better than b.
func (a acceptance) betterThan(b acceptance) bool {
	switch {
	case a.quality != b.quality:
		return a.quality > b.quality
	case a.specificity != b.specificity:
		return a.specificity > b.specificity
	default:
		return a.position < b.position
	}
}

// acceptanceOf returns the acceptance by the most specific range that covers the type.
func acceptanceOf(t mediaType, ranges []mediaRange) acceptance {
	var best acceptance
	for _, r := range ranges {
		if specificity := covers(r.name, t); specificity > best.specificity {
			best = acceptance{quality: r.quality, specificity: specificity, position: r.position}
		}
	}
	return best
}

// byName is the specificity of a range that names the type.
const byName = 3

// covers returns the specificity of a media range for a type, 0 if the range doesn't include it.
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

// parseRange parses one media range and its quality. It returns false if it can't, or if the charset isn't UTF-8.
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

// checkContentType accepts only application/json in UTF-8, uncompressed. This also keeps out forms of other sites: browsers
// send them without a preflight, but never with this type.
func checkContentType(header http.Header) *requestError {
	if given := header["Content-Type"]; len(given) == 1 && given[0] == string(mediaJSON) && header["Content-Encoding"] == nil {
		return nil // What most clients send needs no parsing.
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
