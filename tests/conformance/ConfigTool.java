import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import kafka.admin.ConfigCommand;
import org.apache.kafka.common.utils.Exit;

/**
 * kafka-configs.sh many times in one process: a line of standard input has its arguments, separated by tabs; a line of
 * standard output has the exit code and, in base64, what it printed.
 */
public class ConfigTool {
    private static final class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            this.code = code;
        }
    }

    public static void main(String[] ignored) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        PrintStream answers = System.out;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream stream = new PrintStream(printed, true, StandardCharsets.UTF_8);
            System.setOut(stream);
            System.setErr(stream);
            String[] arguments = line.split("\t", -1);
            int code = 0;
            try {
                // What it prints through Scala's Console goes where System.out led when that was first used.
                scala.Console$.MODULE$.withOut(stream, () -> {
                    ConfigCommand.main(arguments);
                    return null;
                });
            } catch (Ended ended) {
                code = ended.code;
            }
            answers.println(code + " " + Base64.getEncoder().encodeToString(printed.toByteArray()));
            answers.flush();
        }
    }
}
