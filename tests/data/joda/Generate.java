import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.joda.time.DateTime;
import org.joda.time.DateTimeUtils;
import org.joda.time.DateTimeZone;
import org.joda.time.IllegalInstantException;
import org.joda.time.MutableDateTime;
import org.joda.time.chrono.ISOChronology;
import org.joda.time.format.DateTimeFormat;
import org.joda.time.format.DateTimeFormatter;
import org.joda.time.format.ISODateTimeFormat;

/**
 * Answers questions with the real Joda-Time: one tab-separated question a line on standard input, its answer on standard output.
 *
 * Questions: parse|print, pattern (empty: the ISO forms), zone, text or epoch milliseconds.
 * Answers: the question's four columns, then ok and the result, or an error's kind and its position:
 * pattern (the pattern is bad), cannot (the pattern does not do that), syntax (position), value, gap, fault (a bug of Joda-Time).
 * Backslash, tab, line feed, carriage return and what is not ASCII are escaped.
 */
public class Generate {
    private static final Map<String, DateTimeFormatter> FORMATTERS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        Locale.setDefault(Locale.US);
        DateTimeUtils.setCurrentMillisFixed(new DateTime(2017, 6, 15, 12, 0, DateTimeZone.UTC).getMillis());
        DateTimeZone.setDefault(DateTimeZone.UTC);
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "US-ASCII");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder buffer = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] columns = line.split("\t", -1);
            buffer.append(line).append('\t').append(answer(columns)).append('\n');
            if (buffer.length() > 60000) {
                out.print(buffer);
                buffer.setLength(0);
            }
        }
        out.print(buffer);
        out.flush();
    }

    private static String answer(String[] columns) {
        String pattern = unescape(columns[1]);
        DateTimeZone zone = DateTimeZone.forID(columns[2]);
        DateTimeFormatter formatter;
        try {
            formatter = pattern.isEmpty()
                ? (columns[0].equals("parse") ? ISODateTimeFormat.dateTimeParser() : ISODateTimeFormat.dateTime())
                : FORMATTERS.computeIfAbsent(pattern, DateTimeFormat::forPattern);
        } catch (RuntimeException e) {
            return "pattern\t";
        }
        try {
            if (columns[0].equals("print")) {
                long millis = Long.parseLong(columns[3]);
                return "ok\t" + escape(pattern.isEmpty()
                    ? new DateTime(millis, zone).toString()
                    : formatter.withZone(zone).print(millis));
            }
            return parse(formatter.withZone(zone), zone, unescape(columns[3]));
        } catch (UnsupportedOperationException e) {
            return "cannot\t";
        }
    }

    private static String parse(DateTimeFormatter formatter, DateTimeZone zone, String text) {
        try {
            return "ok\t" + formatter.parseMillis(text);
        } catch (IllegalInstantException e) {
            return "gap\t";
        } catch (UnsupportedOperationException e) {
            throw e;
        } catch (IndexOutOfBoundsException | ArithmeticException e) {
            return "fault\t";
        } catch (IllegalArgumentException e) {
            int position;
            try {
                position = formatter.parseInto(new MutableDateTime(0L, ISOChronology.getInstanceUTC()), text, 0);
            } catch (IllegalArgumentException inner) {
                return "value\t";
            }
            position = position < 0 ? ~position : position;
            return position < text.length() || e.getMessage().contains("is too short") ? "syntax\t" + position : "value\t";
        }
    }

    private static String unescape(String text) {
        if (text.indexOf('\\') < 0) {
            return text;
        }
        StringBuilder result = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != '\\') {
                result.append(c);
                continue;
            }
            c = text.charAt(++i);
            if (c == 'u') {
                result.append((char) Integer.parseInt(text.substring(i + 1, i + 5), 16));
                i += 4;
            } else {
                result.append(c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
            }
        }
        return result.toString();
    }

    private static String escape(String text) {
        StringBuilder result = new StringBuilder();
        for (char c : text.toCharArray()) {
            switch (c) {
                case '\\': result.append("\\\\"); break;
                case '\t': result.append("\\t"); break;
                case '\n': result.append("\\n"); break;
                case '\r': result.append("\\r"); break;
                default:
                    if (c < 32 || c > 126) {
                        result.append(String.format("\\u%04x", (int) c));
                    } else {
                        result.append(c);
                    }
            }
        }
        return result.toString();
    }
}
